/**
 * The inside tokens: compact JWS, EdDSA (Ed25519). One row per kind: its `typ`, its size cap, how old it may be, which claims
 * it must carry, and the error code of a bad one. `typ` keeps one kind from being passed off as another.
 */
import type { ErrorCode } from '@cogmesh/errors';
import {
  exchangeTtlMs,
  outsideTokenMaxChars,
  permitMaxChars,
  permitTtlSeconds,
  serviceTokenTtlSeconds,
  taskGrantMaxTtlSeconds,
} from './limits.js';

export interface TokenKind {
  readonly typ: string;
  /** What a sentence calls it. */
  readonly noun: string;
  readonly maxChars: number;
  /** Oldest accepted, seconds since `iat`; undefined where freshness comes from elsewhere (epoch, expiry of years). */
  readonly maxAgeSeconds?: number;
  readonly requiredClaims: readonly string[];
  readonly code: ErrorCode;
  readonly expiredCode: ErrorCode;
}

export const tokenKinds = {
  service: {
    typ: 'cogmesh-service+jwt',
    noun: 'service token',
    maxChars: 2_048,
    maxAgeSeconds: serviceTokenTtlSeconds,
    requiredClaims: ['iss', 'sub', 'aud', 'iat', 'exp'],
    code: 'invalid_token',
    expiredCode: 'expired_token',
  },
  permit: {
    typ: 'cogmesh-permit+jwt',
    noun: 'permit',
    maxChars: permitMaxChars,
    maxAgeSeconds: permitTtlSeconds,
    requiredClaims: ['iss', 'sub', 'aud', 'iat', 'exp', 'jti', 'method', 'access', 'subject', 'outside'],
    code: 'invalid_permit',
    expiredCode: 'invalid_permit',
  },
  taskGrant: {
    typ: 'cogmesh-task-grant+jwt',
    noun: 'task grant',
    maxChars: 256 * 1024,
    maxAgeSeconds: taskGrantMaxTtlSeconds,
    requiredClaims: ['iss', 'iat', 'exp', 'attempts'],
    code: 'invalid_grant',
    expiredCode: 'invalid_grant',
  },
  informationQuestion: {
    typ: 'cogmesh-information+jwt',
    noun: 'question to an information source',
    maxChars: 4_096,
    maxAgeSeconds: serviceTokenTtlSeconds,
    requiredClaims: ['iss', 'aud', 'iat', 'exp', 'jti', 'body_sha256'],
    code: 'invalid_token',
    expiredCode: 'expired_token',
  },
  bundle: {
    typ: 'cogmesh-bundle+jwt',
    noun: 'policy bundle',
    maxChars: 8 * 1024 * 1024,
    requiredClaims: ['iss', 'iat', 'organisation', 'epoch', 'policies'],
    code: 'invalid_token',
    expiredCode: 'expired_token',
  },
  heartbeat: {
    typ: 'cogmesh-heartbeat+jwt',
    noun: 'policy heartbeat',
    maxChars: 2 * 1024 * 1024,
    maxAgeSeconds: 60,
    requiredClaims: ['iss', 'iat', 'exp', 'nonce', 'epochs'],
    code: 'invalid_token',
    expiredCode: 'expired_token',
  },
  bundleDelta: {
    typ: 'cogmesh-bundle-delta+jwt',
    noun: 'policy bundle delta',
    maxChars: 8 * 1024 * 1024,
    requiredClaims: ['iss', 'iat', 'organisation', 'base', 'epoch', 'members', 'lists', 'removed', 'sha256'],
    code: 'invalid_token',
    expiredCode: 'expired_token',
  },
  revocations: {
    typ: 'cogmesh-revocations+jwt',
    noun: 'list of revocations',
    maxChars: 8 * 1024 * 1024,
    requiredClaims: ['iss', 'iat', 'since', 'epoch', 'changes'],
    code: 'invalid_token',
    expiredCode: 'expired_token',
  },
  partnerGrant: {
    typ: 'cogmesh-partner-grant+jwt',
    noun: 'partner grant',
    maxChars: 16 * 1024,
    requiredClaims: ['iss', 'iat', 'exp', 'jti', 'grantor', 'grantee', 'actions', 'resources'],
    code: 'invalid_grant',
    expiredCode: 'invalid_grant',
  },
  exchange: {
    typ: 'at+jwt',
    noun: 'exchanged token',
    maxChars: outsideTokenMaxChars,
    maxAgeSeconds: exchangeTtlMs / 1_000,
    requiredClaims: ['iss', 'sub', 'aud', 'iat', 'exp', 'jti', 'organisation', 'source'],
    code: 'invalid_token',
    expiredCode: 'expired_token',
  },
  trust: {
    typ: 'cogmesh-trust+jwt',
    noun: 'trust directory',
    maxChars: 4 * 1024 * 1024,
    requiredClaims: ['iss', 'iat', 'services', 'organisations'],
    code: 'invalid_config',
    expiredCode: 'invalid_config',
  },
} as const satisfies Record<string, TokenKind>;
