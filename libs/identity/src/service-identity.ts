/**
 * One service's own key, and what it may sign with it. Everybody mints service tokens; only the gateway permits, only the scheduler task
 * grants, only policy bundles and heartbeats. Verifying is `verifier`'s, repeated here so that a service holds one object.
 */
import { createHash, randomBytes } from 'node:crypto';
import { CogmeshError } from '@cogmesh/errors';
import type { Access, OutsideSubject } from '@cogmesh/rpc';
import { importJWK, SignJWT, type CryptoKey, type JWTPayload } from 'jose';
import type { BundleClaims, GrantedAttempt, HeartbeatClaims, Submitter } from './claims.js';
import type { BundleDeltaClaims, RevocationListClaims } from './distribution-claims.js';
import { exchangePayload, type ExchangedClaims } from './exchange-token.js';
import { exchangeAudience, exchangeIssuerUrl } from './initialise-keys.js';
import { InsideTokenVerifier, type InsideVerifierOptions } from './inside-verifier.js';
import { keyFiles, readJwk } from './key-files.js';
import {
  permitTtlSeconds,
  serviceTokenRenewSeconds,
  serviceTokenTtlSeconds,
  taskGrantMaxAttempts,
  taskGrantMaxTtlSeconds,
} from './limits.js';
import { tokenKinds, type TokenKind } from './token-kinds.js';
import { Trust } from './trust.js';

export interface PermitRequest {
  /** Target service. */
  readonly audience: string;
  /** Full gRPC method it is good for. */
  readonly method: string;
  readonly access: readonly Access[];
  readonly subject: OutsideSubject;
  /** Partner grants the access rests on. */
  readonly grants?: readonly string[];
  /** Types of obligations that were met for this call. */
  readonly met?: readonly string[];
  /** Of a write that the enforcement point must have seen. */
  readonly consistencyToken?: string;
}

export interface TaskGrantRequest {
  /** The one agent that may use it; or `queue`. */
  readonly agent?: string;
  /** The shared queue whose consumers may use it. */
  readonly queue?: string;
  /** 1 to 100. */
  readonly attempts: readonly GrantedAttempt[];
  /** Milliseconds since 1970, at most a day ahead. */
  readonly expiresAtMs: number;
}

interface OwnKey {
  readonly key: CryptoKey | Uint8Array;
  readonly kid: string | undefined;
}

export class ServiceIdentity {
  readonly service: string;
  readonly verifier: InsideTokenVerifier;
  readonly #own: OwnKey;
  readonly #now: () => number;
  readonly #serviceTokens = new Map<string, { readonly token: Promise<string>; readonly renewAtMs: number }>();

  constructor(service: string, parts: { own: OwnKey; verifier: InsideTokenVerifier; now?: () => number }) {
    this.service = service;
    this.verifier = parts.verifier;
    this.#own = parts.own;
    this.#now = parts.now ?? Date.now;
  }

  readonly verifyServiceToken: InsideTokenVerifier['verifyServiceToken'] = (token, audience) =>
    this.verifier.verifyServiceToken(token, audience);
  readonly verifyPermit: InsideTokenVerifier['verifyPermit'] = (token, audience) =>
    this.verifier.verifyPermit(token, audience);
  readonly verifyTaskGrant: InsideTokenVerifier['verifyTaskGrant'] = (token) => this.verifier.verifyTaskGrant(token);
  readonly verifyBundle: InsideTokenVerifier['verifyBundle'] = (token) => this.verifier.verifyBundle(token);
  readonly verifyHeartbeat: InsideTokenVerifier['verifyHeartbeat'] = (token, nonce) =>
    this.verifier.verifyHeartbeat(token, nonce);
  readonly verifyPartnerGrant: InsideTokenVerifier['verifyPartnerGrant'] = (token, options) =>
    this.verifier.verifyPartnerGrant(token, options);

  /** This service's token for `audience`; one is reused until 10 s before it expires. */
  serviceToken(audience: string): Promise<string> {
    const cached = this.#serviceTokens.get(audience);
    if (cached !== undefined && cached.renewAtMs > this.#now()) return cached.token;
    const token = this.#sign(tokenKinds.service, { sub: this.service, aud: audience }, serviceTokenTtlSeconds);
    const renewAtMs = this.#now() + (serviceTokenTtlSeconds - serviceTokenRenewSeconds) * 1000;
    this.#serviceTokens.set(audience, { token, renewAtMs });
    token.catch(() => this.#serviceTokens.delete(audience));
    return token;
  }

  /** A permit for one call, 60 s. Gateway only. `payload_too_large` when it names more resources than fit into headers. */
  async mintPermit(request: PermitRequest): Promise<string> {
    this.#only('gateway', 'mint permits');
    const { subject } = request;
    const payload = {
      sub: subject.sub,
      aud: request.audience,
      jti: newTokenId(),
      method: request.method,
      access: request.access,
      subject,
      act: { sub: this.service, ...(subject.actors === undefined ? {} : { act: subject.actors }) },
      outside: { iss: subject.issuer, sub: subject.sub, jti: subject.tokenId },
      grants: request.grants ?? [],
      ...(request.met === undefined ? {} : { met: request.met }),
      ...(request.consistencyToken === undefined ? {} : { consistency: request.consistencyToken }),
    };
    const permit = await this.#sign(tokenKinds.permit, payload, permitTtlSeconds);
    if (permit.length <= tokenKinds.permit.maxChars) return permit;
    throw new CogmeshError(
      'payload_too_large',
      `the call names ${request.access.length} resources, more than a permit can carry`,
      {
        limitChars: tokenKinds.permit.maxChars,
      },
    );
  }

  /** A token in exchange for others, until `expiresAtMs`. Gateway only. */
  async mintExchangeToken(claims: ExchangedClaims): Promise<string> {
    this.#only('gateway', 'exchange tokens');
    const iat = Math.floor(this.#now() / 1_000);
    const times = { iat, exp: Math.floor(claims.expiresAtMs / 1_000) };
    const names = { iss: exchangeIssuerUrl, aud: exchangeAudience, jti: newTokenId() };
    return new SignJWT({ ...exchangePayload(claims), ...names, ...times })
      .setProtectedHeader({ alg: 'EdDSA', typ: tokenKinds.exchange.typ })
      .sign(this.#own.key);
  }

  /** A grant for the attempts of one work message. Scheduler only. */
  async mintTaskGrant(request: TaskGrantRequest): Promise<string> {
    this.#only('scheduler', 'mint task grants');
    const { agent, queue, attempts, expiresAtMs } = request;
    if ((agent === undefined) === (queue === undefined)) {
      throw new CogmeshError('invalid_argument', 'a task grant names either an agent or a queue');
    }
    if (attempts.length === 0 || attempts.length > taskGrantMaxAttempts) {
      throw new CogmeshError(
        'invalid_argument',
        `a task grant covers 1 to ${taskGrantMaxAttempts} attempts, not ${attempts.length}`,
      );
    }
    const ttlSeconds = Math.min((expiresAtMs - this.#now()) / 1000, taskGrantMaxTtlSeconds);
    const claims = { ...(agent === undefined ? { queue } : { agent }), ...listed(attempts) };
    return this.#sign(tokenKinds.taskGrant, claims, ttlSeconds);
  }

  /** Signs one organisation's policies, good from now until its `expiresAtMs`. Policy only. */
  async signBundle({ expiresAtMs, notBeforeMs, ...bundle }: BundleClaims): Promise<string> {
    this.#only('policy', 'sign bundles');
    return this.#sign(tokenKinds.bundle, { ...bundle, ...validity({ expiresAtMs, notBeforeMs }) });
  }

  /** Signs the change from one epoch of an organisation's policies to another. Policy only. */
  async signBundleDelta({ expiresAtMs, ...delta }: BundleDeltaClaims): Promise<string> {
    this.#only('policy', 'sign bundles');
    return this.#sign(tokenKinds.bundleDelta, { ...delta, ...validity({ expiresAtMs }) });
  }

  /** Signs what was revoked. Policy only. */
  async signRevocations(list: RevocationListClaims): Promise<string> {
    this.#only('policy', 'sign revocations');
    return this.#sign(tokenKinds.revocations, { ...list });
  }

  /** Signs the current epochs for one asker. Policy only. */
  async signHeartbeat(heartbeat: HeartbeatClaims): Promise<string> {
    this.#only('policy', 'sign heartbeats');
    return this.#sign(tokenKinds.heartbeat, { ...heartbeat }, 60);
  }

  /** Proves to an organisation's information source who asks, and what: `body` is what is sent. Policy only. */
  async signInformationQuestion(question: { readonly url: string; readonly body: string }): Promise<string> {
    this.#only('policy', 'ask information sources');
    const bodySha256 = createHash('sha256').update(question.body).digest('base64url');
    const claims = { aud: question.url, jti: newTokenId(), body_sha256: bodySha256 };
    return this.#sign(tokenKinds.informationQuestion, claims, serviceTokenTtlSeconds);
  }

  #only(service: string, act: string): void {
    if (this.service === service) return;
    throw new CogmeshError('permission_denied', `only the ${service} may ${act}; this is the ${this.service}`);
  }

  #sign(kind: TokenKind, payload: JWTPayload, ttlSeconds?: number): Promise<string> {
    // Fractions of a second stay: enforcement compares `iat` with the moment it started.
    const iat = this.#now() / 1000;
    const times = ttlSeconds === undefined ? { iat } : { iat, exp: iat + ttlSeconds };
    const { key, kid } = this.#own;
    return new SignJWT({ ...payload, ...times, iss: this.service })
      .setProtectedHeader({ alg: 'EdDSA', typ: kind.typ, ...(kid === undefined ? {} : { kid }) })
      .sign(key);
  }
}

interface Validity {
  readonly expiresAtMs?: number | undefined;
  readonly notBeforeMs?: number | undefined;
}

function validity({ expiresAtMs, notBeforeMs }: Validity): JWTPayload {
  return {
    ...(expiresAtMs === undefined ? {} : { exp: expiresAtMs / 1000 }),
    ...(notBeforeMs === undefined ? {} : { nbf: notBeforeMs / 1000 }),
  };
}

/** 128 random bits behind a 48-bit time, Crockford base 32: a ULID. */
export function newTokenId(nowMs: number = Date.now()): string {
  const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
  const bits = (BigInt(nowMs) << 80n) | BigInt(`0x${randomBytes(10).toString('hex')}`);
  return Array.from({ length: 26 }, (_, at) => alphabet[Number((bits >> BigInt(5 * (25 - at))) & 31n)]).join('');
}

/** The identity of `service` from its private key, the root's public key and the trust directory. `invalid_config` when one is missing. */
export async function loadServiceIdentity(
  keysDir: string,
  service: string,
  options: InsideVerifierOptions = {},
): Promise<ServiceIdentity> {
  const jwk = await readJwk(keyFiles.service(keysDir, service));
  const key = await importJWK(jwk, 'EdDSA');
  const verifier = new InsideTokenVerifier(await Trust.load(keysDir), options);
  return new ServiceIdentity(service, { own: { key, kid: jwk.kid }, verifier, ...options });
}

/** Each submitter once; the same object counts as the same submitter. */
function listed(granted: readonly GrantedAttempt[]) {
  const places = new Map<Submitter, number>();
  const attempts = granted.map(({ submitter, ...attempt }) => {
    if (submitter === undefined) return attempt;
    const place = places.get(submitter) ?? places.size;
    places.set(submitter, place);
    return { ...attempt, submitter: place };
  });
  return { attempts, ...(places.size === 0 ? {} : { submitters: [...places.keys()] }) };
}
