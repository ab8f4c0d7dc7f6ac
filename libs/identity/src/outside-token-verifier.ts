/**
 * Outside tokens. The issuer is picked by the token's exact `iss` before anything is verified, and the token is verified with that issuer's
 * keys only: never with a merged set, never with a key the token brings or points at (jwk, jku, x5c, x5u are not read). Organisation,
 * audience, roles and attributes come from the issuer's record. Does not decide what the subject may do.
 */
import { CogmeshError } from '@cogmesh/errors';
import type { OutsideSubject } from '@cogmesh/rpc';
import { jwtVerify, type JWTPayload } from 'jose';
import { peekToken, type PeekedToken } from './compact-jws.js';
import { compileIssuer, type CompiledIssuer, type IssuerRecord } from './issuer-record.js';
import { tokenFailure } from './jose-failure.js';
import {
  clockSkewSeconds,
  outsideTokenMaxChars,
  subjectAttributesMaxChars,
  subjectNameMaxChars,
  subjectRolesMax,
  verifiedTokensMax,
} from './limits.js';
import { tokenDigest, VerifiedCache } from './verified-cache.js';

export interface OutsideTokenVerifierOptions {
  /** Milliseconds since 1970. Default: the system clock. */
  readonly now?: () => number;
}

/** A verified outside token: who it is and until when. */
export interface VerifiedSubject {
  readonly subject: OutsideSubject;
  readonly expiresAtMs: number;
}

const names = { noun: 'token', code: 'invalid_token', expiredCode: 'expired_token' } as const;
const peekRules = { noun: 'token', maxChars: outsideTokenMaxChars, code: 'invalid_token' } as const;

export class OutsideTokenVerifier {
  readonly #now: () => number;
  readonly #verified = new VerifiedCache<VerifiedSubject>(verifiedTokensMax);
  #issuers = new Map<string, CompiledIssuer | CogmeshError>();

  constructor(issuers: readonly IssuerRecord[] = [], options: OutsideTokenVerifierOptions = {}) {
    this.#now = options.now ?? Date.now;
    this.replaceIssuers(issuers);
  }

  /** Takes a new registry. Verified tokens are forgotten, so that a suspended issuer stops at once. */
  replaceIssuers(issuers: readonly IssuerRecord[]): void {
    this.#issuers = new Map(issuers.map((record) => [record.issuer, compiledOrError(record)]));
    this.#verified.clear();
  }

  /** Throws `unknown_issuer`, `expired_token` or `invalid_token`, each with a sentence. */
  async verify(token: string): Promise<OutsideSubject> {
    return (await this.verifyWithExpiry(token)).subject;
  }

  /** As `verify`, with the time the token stops being good, for whoever keeps a decision about it. */
  async verifyWithExpiry(token: string): Promise<VerifiedSubject> {
    const key = tokenDigest(token);
    const known = this.#verified.get(key, this.#now());
    if (known !== undefined) return known;
    const issuers = this.#issuers;
    const verified = await this.#verifyFresh(token);
    // A registry replaced meanwhile may have suspended this issuer.
    if (issuers === this.#issuers) this.#verified.set(key, verified, verified.expiresAtMs);
    return verified;
  }

  async #verifyFresh(token: string): Promise<VerifiedSubject> {
    const peeked = peekToken(token, peekRules);
    const issuer = this.#issuerOf(peeked);
    refuseWrongType(peeked, issuer);
    try {
      const { payload } = await jwtVerify(token, issuer.keys, {
        algorithms: [...issuer.algorithms],
        issuer: issuer.record.issuer,
        audience: issuer.record.audience,
        requiredClaims: ['iss', 'sub', 'aud', 'iat', 'exp'],
        maxTokenAge: issuer.record.maxTtlSeconds,
        clockTolerance: clockSkewSeconds,
        currentDate: new Date(this.#now()),
      });
      refuseLongLife(payload, issuer.record);
      return { subject: subjectOf(payload, issuer.record), expiresAtMs: Math.round((payload.exp ?? 0) * 1000) };
    } catch (error) {
      throw tokenFailure(error, names);
    }
  }

  #issuerOf({ payload }: PeekedToken): CompiledIssuer {
    const { iss } = payload;
    if (typeof iss !== 'string') throw new CogmeshError('invalid_token', 'the token names no issuer (iss)');
    const issuer = this.#issuers.get(iss);
    if (issuer === undefined) {
      throw new CogmeshError('unknown_issuer', `no organisation has registered the issuer "${iss.slice(0, 200)}"`);
    }
    if (issuer instanceof CogmeshError) throw new CogmeshError('invalid_token', issuer.message, {}, { cause: issuer });
    if (issuer.record.suspended) throw new CogmeshError('unknown_issuer', `the issuer "${iss}" is suspended`);
    return issuer;
  }
}

function compiledOrError(record: IssuerRecord): CompiledIssuer | CogmeshError {
  try {
    return compileIssuer(record);
  } catch (error) {
    if (error instanceof CogmeshError) return error;
    throw error;
  }
}

function refuseWrongType({ header }: PeekedToken, issuer: CompiledIssuer): void {
  const typ = header['typ'] ?? '';
  const plain = typeof typ === 'string' ? typ.toLowerCase().replace(/^application\//, '') : undefined;
  if (plain === undefined || !issuer.tokenTypes.has(plain)) {
    throw new CogmeshError('invalid_token', "the token is of another type (typ) than its issuer's access tokens", {
      claim: 'typ',
    });
  }
}

function refuseLongLife({ exp = 0, iat = 0 }: JWTPayload, record: IssuerRecord): void {
  if (exp - iat <= record.maxTtlSeconds) return;
  const message = `the token lives ${Math.round(exp - iat)} s; its issuer may give at most ${record.maxTtlSeconds} s`;
  throw new CogmeshError('invalid_token', message, { limitSeconds: record.maxTtlSeconds });
}

function subjectOf(payload: JWTPayload, record: IssuerRecord): OutsideSubject {
  return {
    issuer: record.issuer,
    sub: plainText(payload.sub, 'sub'),
    organisation: record.organisation,
    roles: rolesOf(payload['roles'], record),
    tokenId: payload.jti === undefined ? '' : plainText(payload.jti, 'jti'),
    attributes: attributesOf(payload, record),
  };
}

function plainText(value: unknown, claim: string): string {
  if (
    typeof value === 'string' &&
    value !== '' &&
    value.length <= subjectNameMaxChars &&
    !/[\u0000-\u001f\u007f]/.test(value)
  )
    return value;
  throw new CogmeshError('invalid_token', `the token has an unacceptable "${claim}"`, { claim });
}

function rolesOf(claim: unknown, record: IssuerRecord): readonly string[] {
  if (claim === undefined) return [];
  if (!Array.isArray(claim))
    throw new CogmeshError('invalid_token', 'the claim "roles" is not a list', { claim: 'roles' });
  const claimed = new Set(claim.map((role) => plainText(role, 'roles')));
  return record.allowedRoles.filter((role) => claimed.has(role)).slice(0, subjectRolesMax);
}

function attributesOf(payload: JWTPayload, record: IssuerRecord): Readonly<Record<string, unknown>> {
  const allowed = record.allowedAttributes.filter((name) => Object.hasOwn(payload, name));
  const attributes = Object.fromEntries(allowed.map((name) => [name, payload[name]]));
  if (JSON.stringify(attributes).length > subjectAttributesMaxChars) {
    throw new CogmeshError('invalid_token', `the token's attributes are over ${subjectAttributesMaxChars} characters`);
  }
  return attributes;
}
