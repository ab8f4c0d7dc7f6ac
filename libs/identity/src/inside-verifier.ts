/**
 * Verifies inside tokens. For each: size before parsing, issuer chosen by name from the trust directory before verifying, that issuer's
 * key only, then typ, algorithm, audience, age and required claims. Permits and service tokens are remembered until they expire.
 * Does not know policies, replay or who may call what.
 */
import { CogmeshError } from '@cogmesh/errors';
import { jwtVerify, type JWTPayload } from 'jose';
import type {
  BundleClaims,
  HeartbeatClaims,
  PartnerGrantClaims,
  PermitClaims,
  ServiceClaims,
  TaskGrantClaims,
} from './claims.js';
import {
  bundleClaims,
  heartbeatClaims,
  partnerGrantClaims,
  permitClaims,
  serviceClaims,
  taskGrantClaims,
} from './read-claims.js';
import { exchangedClaims, type ExchangedClaims } from './exchange-token.js';
import { exchangeAudience, exchangeIssuerUrl } from './initialise-keys.js';
import { peekToken } from './compact-jws.js';
import {
  bundleDeltaClaims,
  revocationListClaims,
  type BundleDeltaClaims,
  type RevocationListClaims,
} from './distribution-claims.js';
import { tokenFailure } from './jose-failure.js';
import { clockSkewSeconds, verifiedTokensMax } from './limits.js';
import { tokenKinds, type TokenKind } from './token-kinds.js';
import { Trust, type PublicKey } from './trust.js';
import { tokenDigest, VerifiedCache } from './verified-cache.js';

export interface InsideVerifierOptions {
  /** Milliseconds since 1970. Default: the system clock. */
  readonly now?: () => number;
}

interface Expectation {
  readonly kind: TokenKind;
  /** The only accepted `iss`. */
  readonly issuer: string;
  readonly audience?: string;
  readonly at?: Date;
}

export class InsideTokenVerifier {
  readonly #trust: Trust;
  readonly #now: () => number;
  readonly #services = new VerifiedCache<ServiceClaims>(verifiedTokensMax);
  readonly #permits = new VerifiedCache<PermitClaims>(verifiedTokensMax);

  constructor(trust: Trust, options: InsideVerifierOptions = {}) {
    this.#trust = trust;
    this.#now = options.now ?? Date.now;
  }

  /** A service's own token; throws `invalid_token` or `expired_token`. */
  async verifyServiceToken(token: string, audience: string): Promise<ServiceClaims> {
    return this.#remembered(this.#services, { token, audience }, async () => {
      const issuer = namedIssuer(token, tokenKinds.service);
      const payload = await this.#verify(token, { kind: tokenKinds.service, issuer, audience });
      return serviceClaims(payload);
    });
  }

  /** A permit of the gateway; throws `invalid_permit`. Whether its id was used before is not this class's business. */
  async verifyPermit(token: string, audience: string): Promise<PermitClaims> {
    return this.#remembered(this.#permits, { token, audience }, async () =>
      permitClaims(await this.#verify(token, { kind: tokenKinds.permit, issuer: 'gateway', audience })),
    );
  }

  /** A task grant of the scheduler; throws `invalid_grant`. */
  async verifyTaskGrant(token: string): Promise<TaskGrantClaims> {
    return taskGrantClaims(await this.#verify(token, { kind: tokenKinds.taskGrant, issuer: 'scheduler' }));
  }

  /** A policy bundle; throws `invalid_token`. Says nothing about its age: the heartbeat does. */
  async verifyBundle(token: string): Promise<BundleClaims> {
    return bundleClaims(await this.#verify(token, { kind: tokenKinds.bundle, issuer: 'policy' }));
  }

  /** The change of one organisation's policies; throws `invalid_token`. What it starts from is the holder's to compare. */
  async verifyBundleDelta(token: string): Promise<BundleDeltaClaims> {
    return bundleDeltaClaims(await this.#verify(token, { kind: tokenKinds.bundleDelta, issuer: 'policy' }));
  }

  /** Revocations; throws `invalid_token`. Says nothing about their age: the heartbeat does. */
  async verifyRevocations(token: string): Promise<RevocationListClaims> {
    return revocationListClaims(await this.#verify(token, { kind: tokenKinds.revocations, issuer: 'policy' }));
  }

  /** A heartbeat that answers the nonce; throws `invalid_token` or `expired_token`. */
  async verifyHeartbeat(token: string, nonce: string): Promise<HeartbeatClaims> {
    const claims = heartbeatClaims(await this.#verify(token, { kind: tokenKinds.heartbeat, issuer: 'policy' }));
    if (claims.nonce !== nonce)
      throw new CogmeshError('invalid_token', 'the policy heartbeat answers another question (nonce)');
    return claims;
  }

  /**
   * A grant signed by the granting organisation; throws `invalid_grant`. `anyTime` reads one that is expired or not valid yet too, for
   * whoever holds grants and decides about their times at each use.
   */
  async verifyPartnerGrant(token: string, options: { anyTime?: boolean } = {}): Promise<PartnerGrantClaims> {
    const kind = tokenKinds.partnerGrant;
    const { iat, nbf } = peekToken(token, kind).payload;
    const ownTime = Math.max(Number(iat), Number(nbf ?? iat)) * 1000;
    const at = options.anyTime === true && Number.isFinite(ownTime) ? { at: new Date(ownTime) } : {};
    return partnerGrantClaims(await this.#verify(token, { kind, issuer: namedIssuer(token, kind), ...at }));
  }

  /** A token that the gateway gave in exchange for others; throws `invalid_token` or `expired_token`. */
  async verifyExchangeToken(token: string): Promise<ExchangedClaims> {
    const expected = { kind: tokenKinds.exchange, issuer: exchangeIssuerUrl, audience: exchangeAudience };
    return exchangedClaims(await this.#verify(token, expected));
  }

  async #verify(token: string, expected: Expectation): Promise<JWTPayload> {
    const { kind, issuer } = expected;
    try {
      peekToken(token, kind);
      const key = await this.#keyOf(issuer, kind);
      const { payload } = await jwtVerify(token, key, {
        algorithms: ['EdDSA'],
        typ: kind.typ,
        issuer,
        clockTolerance: clockSkewSeconds,
        requiredClaims: [...kind.requiredClaims],
        currentDate: expected.at ?? new Date(this.#now()),
        ...(expected.audience === undefined ? {} : { audience: expected.audience }),
        ...(kind.maxAgeSeconds === undefined ? {} : { maxTokenAge: kind.maxAgeSeconds }),
      });
      return payload;
    } catch (error) {
      throw tokenFailure(error, kind);
    }
  }

  async #keyOf(issuer: string, kind: TokenKind): Promise<PublicKey> {
    const isPartnerGrant = kind.typ === tokenKinds.partnerGrant.typ;
    const key = isPartnerGrant
      ? await this.#trust.organisationKey(issuer.replace(/^org:/, ''))
      : await this.#trust.serviceKey(kind === tokenKinds.exchange ? 'gateway' : issuer);
    if (key !== undefined) return key;
    throw new CogmeshError(
      kind.code,
      `the ${kind.noun} is issued by "${issuer.slice(0, 80)}", which has no key in the trust directory`,
    );
  }

  async #remembered<T extends { readonly expiresAtMs: number }>(
    cache: VerifiedCache<T>,
    { token, audience }: { token: string; audience: string },
    verify: () => Promise<T>,
  ): Promise<T> {
    const key = `${audience}\n${tokenDigest(token)}`;
    const known = cache.get(key, this.#now());
    if (known !== undefined) return known;
    const claims = await verify();
    cache.set(key, claims, claims.expiresAtMs);
    return claims;
  }
}

function namedIssuer(token: string, kind: TokenKind): string {
  const { iss } = peekToken(token, kind).payload;
  if (typeof iss === 'string') return iss;
  throw new CogmeshError(kind.code, `the ${kind.noun} names no issuer (iss)`);
}

/** Verifies with nothing but `root.public.jwk` and `trust.jws`. */
export async function loadVerifier(keysDir: string, options: InsideVerifierOptions = {}): Promise<InsideTokenVerifier> {
  return new InsideTokenVerifier(await Trust.load(keysDir), options);
}
