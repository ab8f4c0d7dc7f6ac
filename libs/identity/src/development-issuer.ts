/**
 * Tokens for development and demonstrations, minted from `issuers/<name>.jwk` of the same data directory. Exists only beside loopback
 * listeners: whoever can read the directory can be anybody.
 */
import { readdir } from 'node:fs/promises';
import { isIP } from 'node:net';
import { basename, join } from 'node:path';
import { CogmeshError } from '@cogmesh/errors';
import { importJWK, SignJWT, type JWK } from 'jose';
import type { IssuerRecord } from './issuer-record.js';
import { keyFiles, publicHalf, readJwk } from './key-files.js';
import { newTokenId } from './service-identity.js';

/** `aud` of development tokens. */
export const developmentAudience = 'cogmesh';

/** Longest life of a development token, seconds. */
export const developmentMaxTtlSeconds = 24 * 3_600;

export interface DevelopmentTokenRequest {
  readonly sub: string;
  readonly roles: readonly string[];
  readonly ttlSeconds: number;
  /** Chooses the issuer that speaks for this organisation. */
  readonly organisation?: string;
  /** Chooses the issuer by its key's name; default `development`. */
  readonly issuerName?: string;
  /** More claims; cannot replace the standard ones. */
  readonly claims?: Readonly<Record<string, unknown>>;
}

interface IssuerKey extends JWK {
  readonly iss: string;
  readonly organisation: string;
}

/** A signed outside token (typ at+jwt). `not_found` when no issuer key fits. */
export async function mintDevelopmentToken(keysDir: string, request: DevelopmentTokenRequest): Promise<string> {
  if (request.ttlSeconds > developmentMaxTtlSeconds) {
    throw new CogmeshError('invalid_argument', `a development token lives at most ${developmentMaxTtlSeconds} s`);
  }
  const key = await issuerKey(keysDir, request);
  const iat = Math.floor(Date.now() / 1000);
  const standard = {
    iss: key.iss,
    sub: request.sub,
    aud: developmentAudience,
    jti: newTokenId(),
    iat,
    exp: iat + request.ttlSeconds,
  };
  return new SignJWT({ ...request.claims, roles: [...request.roles], ...standard })
    .setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt', ...(key.kid === undefined ? {} : { kid: key.kid }) })
    .sign(await importJWK(key, 'EdDSA'));
}

export interface DevelopmentIssuerOptions {
  /** Default `development`. */
  readonly issuerName?: string;
  readonly allowedRoles: readonly string[];
  readonly allowedAttributes?: readonly string[];
}

/** The registry entry with which the policy service accepts tokens of that key. */
export async function developmentIssuerRecord(
  keysDir: string,
  options: DevelopmentIssuerOptions,
): Promise<IssuerRecord> {
  const key = await issuerKey(keysDir, { issuerName: options.issuerName ?? 'development' });
  return {
    issuer: key.iss,
    organisation: key.organisation,
    jwksJson: JSON.stringify({ keys: [publicHalf(key)] }),
    algorithms: ['EdDSA'],
    audience: developmentAudience,
    allowedRoles: options.allowedRoles,
    allowedAttributes: options.allowedAttributes ?? [],
    maxTtlSeconds: developmentMaxTtlSeconds,
    suspended: false,
    tokenTypes: ['at+jwt'],
  };
}

/**
 * Refuses (`invalid_config`) to run with the development issuer when any listener can be reached from another machine.
 * Listeners are `host:port`, `[v6]:port`, URLs, or `unix:/path`.
 */
export function assertDevelopmentAllowed(listeners: readonly string[]): void {
  const open = listeners.filter((listener) => !isLoopback(listener));
  if (open.length === 0) return;
  throw new CogmeshError(
    'invalid_config',
    `the development issuer (--dev) is on, so every listener must be loopback, but ${open.join(', ')} is not: anybody who reaches it could ` +
      'be anybody. Bind 127.0.0.1, or leave --dev out and register a real issuer.',
    { listeners: open },
  );
}

function isLoopback(listener: string): boolean {
  if (listener.startsWith('unix:')) return true;
  const host = hostOf(listener);
  if (host === 'localhost' || host === '::1') return true;
  return isIP(host) === 4 && host.startsWith('127.');
}

function hostOf(listener: string): string {
  const address = listener.replace(/^[a-z]+:\/\//, '').replace(/\/.*$/, '');
  const bracketed = /^\[([^\]]*)\](?::\d+)?$/.exec(address);
  if (bracketed) return bracketed[1] ?? '';
  return isIP(address) === 6 ? address : address.replace(/:\d+$/, '');
}

async function issuerKey(keysDir: string, choice: { organisation?: string; issuerName?: string }): Promise<IssuerKey> {
  if (choice.issuerName !== undefined) return issuerKeyNamed(keysDir, choice.issuerName);
  if (choice.organisation === undefined) return issuerKeyNamed(keysDir, 'development');
  const files = await readdir(join(keysDir, 'issuers')).catch(() => []);
  const named = files
    .filter((file) => file.endsWith('.jwk'))
    .map((file) => issuerKeyNamed(keysDir, basename(file, '.jwk')));
  const found = (await Promise.all(named)).find((key) => key.organisation === choice.organisation);
  if (found !== undefined) return found;
  throw new CogmeshError(
    'not_found',
    `no development issuer in ${keysDir} speaks for the organisation "${choice.organisation}"`,
  );
}

async function issuerKeyNamed(keysDir: string, name: string): Promise<IssuerKey> {
  const key = (await readJwk(keyFiles.issuer(keysDir, name))) as IssuerKey;
  if (typeof key.iss === 'string' && typeof key.organisation === 'string') return key;
  throw new CogmeshError(
    'invalid_config',
    `the issuer key "${name}" does not say its iss and organisation; make it again`,
  );
}
