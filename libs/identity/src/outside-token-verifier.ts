/**
 * Outside tokens. The issuer is picked by the token's exact `iss` before anything is verified, and the token is verified with that issuer's
 * keys only: never with a merged set, never with a key the token brings or points at (jwk, jku, x5c, x5u are not read). Organisation,
 * audience, roles and attributes come from the issuer's record. Does not decide what the subject may do.
 */
import { CogmeshError } from '@cogmesh/errors';
import type { OutsideSubject } from '@cogmesh/rpc';
import { jwtVerify, type JWTPayload } from 'jose';
import { peekToken, type PeekedToken } from './compact-jws.js';
import type { ExchangedClaims } from './exchange-token.js';
import { exchangeIssuerUrl } from './initialise-keys.js';
import { confirmationOf, DpopProofs, type Presentation } from './dpop.js';
import { fetchKeySet } from './fetch-key-set.js';
import type { IssuerKeys } from './issuer-keys.js';
import { compileIssuer, type CompiledIssuer, type IssuerRecord, type RemoteIssuer } from './issuer-record.js';
import { tokenFailure } from './jose-failure.js';
import { clockSkewSeconds, outsideTokenMaxChars, verifiedTokensMax } from './limits.js';
import { RemoteKeys, type RemoteKeysTimes } from './remote-keys.js';
import { subjectOf } from './subject-claims.js';
import { tokenDigest, VerifiedCache } from './verified-cache.js';

export interface OutsideTokenVerifierOptions extends RemoteKeysTimes {
  /** Milliseconds since 1970. Default: the system clock. */
  readonly now?: () => number;
  /** Milliseconds, for the age of fetched keys. Default: the monotonic clock. */
  readonly monotonicMs?: () => number;
  /** Whether pinned URIs may lead into a private network. Default: no. */
  readonly allowPrivateKeyUris?: boolean;
  /** The text behind a pinned URI. Default: one GET. */
  readonly fetchKeys?: (uri: string) => Promise<string>;
  /** Verifies tokens of the mesh's own exchange. Default: there are none. */
  readonly exchanged?: (token: string) => Promise<ExchangedClaims>;
}

/** A verified outside token: who it is and until when. */
export interface VerifiedSubject {
  readonly subject: OutsideSubject;
  readonly expiresAtMs: number;
  /** Name of the key that signed it; empty when the token names none. */
  readonly keyId?: string;
  /** Thumbprint of the key that it is bound to (RFC 9449, `cnf.jkt`). */
  readonly boundTo?: string;
  /** Whom the subject lets act for it (RFC 8693, `may_act`). */
  readonly mayAct?: { readonly iss?: string; readonly sub: string };
}

interface Remembered {
  readonly verified: VerifiedSubject;
  readonly issuer: CompiledIssuer;
  readonly generation: number;
}

const names = { noun: 'token', code: 'invalid_token', expiredCode: 'expired_token' } as const;
const peekRules = { noun: 'token', maxChars: outsideTokenMaxChars, code: 'invalid_token' } as const;

export class OutsideTokenVerifier {
  readonly #options: OutsideTokenVerifierOptions;
  readonly #now: () => number;
  readonly #verified = new VerifiedCache<Remembered>(verifiedTokensMax);
  readonly #proofs: DpopProofs;
  #issuers = new Map<string, CompiledIssuer | CogmeshError>();
  /** Kept over a change of the registry, so that it does not fetch every key set again. */
  #remoteKeys = new Map<string, IssuerKeys>();

  constructor(issuers: readonly IssuerRecord[] = [], options: OutsideTokenVerifierOptions = {}) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#proofs = new DpopProofs({ now: this.#now });
    this.replaceIssuers(issuers);
  }

  /** Takes a new registry. Verified tokens are forgotten, so that a suspended issuer stops at once. */
  replaceIssuers(issuers: readonly IssuerRecord[]): void {
    const kept = new Map<string, IssuerKeys>();
    const keysAt = (record: RemoteIssuer): IssuerKeys => {
      const name = JSON.stringify([record.issuer, record.jwksUri, record.keyOverlapSeconds ?? 0]);
      const keys = this.#remoteKeys.get(name) ?? this.#keysAt(record);
      kept.set(name, keys);
      return keys;
    };
    const options = { keysAt, allowPrivate: this.#options.allowPrivateKeyUris ?? false };
    this.#issuers = new Map(issuers.map((record) => [record.issuer, compiledOrError(record, options)]));
    this.#remoteKeys = kept;
    this.#verified.clear();
  }

  /** Throws `unknown_issuer`, `expired_token` or `invalid_token`, each with a sentence. */
  async verify(token: string): Promise<OutsideSubject> {
    return (await this.verifyWithExpiry(token)).subject;
  }

  /**
   * As `verify`, with the time the token stops being good, for whoever keeps a decision about it. A token that is bound to a key
   * is good only with how it was presented and the proof that came with it (`invalid_dpop_proof`).
   */
  async verifyWithExpiry(token: string, presentation?: Presentation): Promise<VerifiedSubject> {
    const verified = this.#remembered(token) ?? (await this.#verifyAndRemember(token));
    await this.#proofs.assertPossession(verified.boundTo, token, presentation);
    return verified;
  }

  /** The thumbprint of the key that signed a proof which speaks of no token. Throws `invalid_dpop_proof`. */
  proofKey({ proof = '', method, url }: Presentation): Promise<string> {
    return this.#proofs.verify(proof, { method, url });
  }

  #remembered(token: string): VerifiedSubject | undefined {
    const known = this.#verified.get(tokenDigest(token), this.#now());
    if (known === undefined) return undefined;
    const { keys } = known.issuer;
    keys.watch();
    return keys.generation === known.generation ? known.verified : undefined;
  }

  async #verifyAndRemember(token: string): Promise<VerifiedSubject> {
    const issuers = this.#issuers;
    const remembered = await this.#verifyFresh(token);
    const { verified } = remembered;
    // A registry replaced meanwhile may have suspended this issuer.
    if (issuers === this.#issuers) this.#verified.set(tokenDigest(token), remembered, verified.expiresAtMs);
    return verified;
  }

  async #verifyFresh(token: string): Promise<Remembered> {
    const peeked = peekToken(token, peekRules);
    if (peeked.payload['iss'] === exchangeIssuerUrl && this.#options.exchanged !== undefined)
      return this.#verifyExchanged(await this.#options.exchanged(token));
    const issuer = this.#issuerOf(peeked.payload['iss']);
    refuseWrongType(peeked, issuer);
    try {
      const { payload, protectedHeader } = await jwtVerify(token, issuer.keys.find, {
        algorithms: [...issuer.algorithms],
        issuer: issuer.record.issuer,
        audience: issuer.record.audience,
        requiredClaims: [...issuer.requiredClaims],
        maxTokenAge: issuer.record.maxTtlSeconds,
        clockTolerance: clockSkewSeconds,
        currentDate: new Date(this.#now()),
      });
      // Read after the look-up, before anything else can change it.
      const { generation } = issuer.keys;
      refuseLongLife(payload, issuer.record);
      refuseRetiredKey(payload, protectedHeader.kid, issuer);
      return { verified: verifiedOf(payload, protectedHeader.kid, issuer), issuer, generation };
    } catch (error) {
      throw tokenFailure(error, names);
    }
  }

  /** Everybody it names must still be somebody, and the subject gets no more than its issuer's record lets through now. */
  #verifyExchanged({ subject, ...rest }: ExchangedClaims): Remembered {
    const issuer = this.#issuerOf(subject.issuer);
    for (const { issuer: name, organisation } of [subject, ...subject.actors])
      if (this.#issuerOf(name).record.organisation !== organisation)
        throw new CogmeshError('invalid_token', `the issuer "${name}" is of another organisation by now`);
    const { allowedRoles, allowedAttributes } = issuer.record;
    const { keyId, ...who } = subject;
    const verified = {
      ...rest,
      keyId,
      subject: {
        ...who,
        roles: who.roles.filter((role) => allowedRoles.includes(role)),
        attributes: Object.fromEntries(
          Object.entries(who.attributes).filter(([name]) => allowedAttributes.includes(name)),
        ),
      },
    };
    return { verified, issuer, generation: issuer.keys.generation };
  }

  #issuerOf(iss: unknown): CompiledIssuer {
    if (typeof iss !== 'string') throw new CogmeshError('invalid_token', 'the token names no issuer (iss)');
    const issuer = this.#issuers.get(iss);
    if (issuer === undefined) {
      throw new CogmeshError('unknown_issuer', `no organisation has registered the issuer "${iss.slice(0, 200)}"`);
    }
    if (issuer instanceof CogmeshError) throw new CogmeshError('invalid_token', issuer.message, {}, { cause: issuer });
    if (issuer.record.suspended) throw new CogmeshError('unknown_issuer', `the issuer "${iss}" is suspended`);
    return issuer;
  }

  #keysAt({ issuer, jwksUri, keyOverlapSeconds = 0 }: RemoteIssuer): IssuerKeys {
    const { fetchKeys, allowPrivateKeyUris = false, monotonicMs = () => performance.now(), ...times } = this.#options;
    const fetch = () => (fetchKeys ? fetchKeys(jwksUri) : fetchKeySet(jwksUri, { allowPrivate: allowPrivateKeyUris }));
    return new RemoteKeys({
      ...times,
      issuer,
      fetch,
      overlapMs: keyOverlapSeconds * 1_000,
      now: this.#now,
      monotonicMs,
    });
  }
}

function compiledOrError(
  record: IssuerRecord,
  options: Parameters<typeof compileIssuer>[1],
): CompiledIssuer | CogmeshError {
  try {
    return compileIssuer(record, options);
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

function refuseRetiredKey({ iat = 0 }: JWTPayload, kid: string | undefined, { keys }: CompiledIssuer): void {
  if (keys.goodFor(kid, iat * 1_000)) return;
  throw new CogmeshError('invalid_token', 'the token was signed with a key after its issuer had withdrawn it');
}

function verifiedOf(payload: JWTPayload, kid: string | undefined, { record }: CompiledIssuer): VerifiedSubject {
  const boundTo = confirmationOf(payload, record.dpopRequired === true);
  return {
    subject: subjectOf(payload, record),
    expiresAtMs: Math.round((payload.exp ?? 0) * 1000),
    keyId: kid ?? '',
    ...(boundTo === undefined ? {} : { boundTo }),
    ...mayActOf(payload['may_act']),
  };
}

/** Whoever writes it in another shape lets nobody act. */
function mayActOf(claim: unknown): Pick<VerifiedSubject, 'mayAct'> {
  if (claim === undefined) return {};
  const { iss, sub } = (typeof claim === 'object' && claim !== null ? claim : {}) as Record<string, unknown>;
  return {
    mayAct: {
      sub: typeof sub === 'string' ? sub : '',
      ...(iss === undefined ? {} : { iss: typeof iss === 'string' ? iss : '' }),
    },
  };
}
