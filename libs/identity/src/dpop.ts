/**
 * Tokens that are bound to a key (RFC 9449). Whoever presents one shows a proof, signed with that key, for this token, this
 * method and this address, made now and used once. What a token is not bound to is not checked: a plain bearer token needs no
 * proof. Proofs are remembered in this process; the window of a proof bounds what a second process could be shown again.
 */
import { createHash } from 'node:crypto';
import { CogmeshError } from '@cogmesh/errors';
import { calculateJwkThumbprint, importJWK, jwtVerify, type JWK, type JWTPayload } from 'jose';
import { peekToken } from './compact-jws.js';
import { keyProblem } from './issuer-keys.js';
import { tokenFailure } from './jose-failure.js';
import { clockSkewSeconds, dpopProofMaxAgeSeconds, dpopProofMaxChars, dpopProofsMax } from './limits.js';

/** How a token was presented. */
export interface Presentation {
  readonly scheme: 'Bearer' | 'DPoP';
  /** The `DPoP` header. */
  readonly proof?: string;
  /** Of the request, as it was sent. */
  readonly method: string;
  /** Scheme, host and path of the request, as the caller addressed it. */
  readonly url: string;
}

/** Algorithms of proofs, for the challenge. */
export const dpopAlgorithms = ['ES256', 'EdDSA', 'PS256', 'RS256'];

const code = 'invalid_dpop_proof';
const rules = { noun: 'DPoP proof', maxChars: dpopProofMaxChars, code, expiredCode: code } as const;
const thumbprint = /^[A-Za-z0-9_-]{43}$/;
const idMaxChars = 256;

/** The thumbprint that a token is bound to, if it is; throws `invalid_token` when it is bound in another way, or must be and is not. */
export function confirmationOf({ cnf }: JWTPayload, required: boolean): string | undefined {
  if (cnf === undefined) {
    if (!required) return undefined;
    throw new CogmeshError('invalid_token', 'the token is not bound to a key (DPoP), as those of its issuer must be');
  }
  const { jkt } = (typeof cnf === 'object' && cnf !== null ? cnf : {}) as { readonly jkt?: unknown };
  if (typeof jkt === 'string' && thumbprint.test(jkt)) return jkt;
  throw new CogmeshError('invalid_token', 'the token is bound in a way (cnf) that is not accepted here', {
    claim: 'cnf',
  });
}

export interface DpopProofsOptions {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly maxRemembered?: number;
}

export class DpopProofs {
  readonly #options: DpopProofsOptions;
  /** Digest of key and id -> when it may be forgotten, roughly in that order. */
  readonly #used = new Map<string, number>();

  constructor(options: DpopProofsOptions) {
    this.#options = options;
  }

  /** Throws `invalid_dpop_proof` when a bound token comes without its proof, `invalid_token` when an unbound one claims to be. */
  async assertPossession(boundTo: string | undefined, token: string, presentation?: Presentation): Promise<void> {
    if (boundTo === undefined) {
      if (presentation?.scheme !== 'DPoP') return;
      throw new CogmeshError('invalid_token', 'the token is not bound to a key: send it as "Authorization: Bearer"');
    }
    if (presentation?.scheme !== 'DPoP' || presentation.proof === undefined) {
      const how = 'send it as "Authorization: DPoP <token>" with a proof in the header "DPoP"';
      throw new CogmeshError(code, `the token is bound to a key; ${how}`);
    }
    const key = await this.verify(presentation.proof, { token, ...presentation });
    if (key !== boundTo) throw new CogmeshError(code, 'the DPoP proof is by another key than the token is bound to');
  }

  /** The thumbprint of the key that signed a proof for this request; `token` is absent where none is presented. Good once. */
  async verify(proof: string, request: { token?: string; method: string; url: string }): Promise<string> {
    const { header } = peekToken(proof, rules);
    const jwk = keyOf(header);
    try {
      const { payload } = await jwtVerify(proof, await importJWK(jwk, String(header['alg'])), {
        algorithms: dpopAlgorithms,
        typ: 'dpop+jwt',
        requiredClaims: ['jti', 'htm', 'htu', 'iat', ...(request.token === undefined ? [] : ['ath'])],
        maxTokenAge: dpopProofMaxAgeSeconds,
        clockTolerance: clockSkewSeconds,
        currentDate: new Date(this.#options.now()),
      });
      assertFits(payload, request);
      const key = await calculateJwkThumbprint(jwk);
      this.#use(`${key}.${String(payload.jti)}`, payload.iat ?? 0);
      return key;
    } catch (error) {
      throw tokenFailure(error, rules);
    }
  }

  #use(id: string, issuedAtSeconds: number): void {
    const now = this.#options.now();
    for (const [used, until] of this.#used) {
      if (until >= now) break;
      this.#used.delete(used);
    }
    const digest = createHash('sha256').update(id).digest('base64url');
    if (this.#used.has(digest)) throw new CogmeshError(code, 'the DPoP proof was used before; make one per request');
    if (this.#used.size >= (this.#options.maxRemembered ?? dpopProofsMax)) {
      throw new CogmeshError('overloaded', 'too many DPoP proofs at once; try again', { retryAfterSeconds: 5 });
    }
    this.#used.set(digest, (issuedAtSeconds + dpopProofMaxAgeSeconds + 2 * clockSkewSeconds) * 1_000);
  }
}

function keyOf(header: Readonly<Record<string, unknown>>): JWK {
  const { jwk, alg, typ } = header;
  if (typ !== 'dpop+jwt') throw new CogmeshError(code, 'the DPoP proof is of another type (typ) than dpop+jwt');
  if (typeof alg !== 'string' || !dpopAlgorithms.includes(alg))
    throw new CogmeshError(code, `the DPoP proof is signed with none of ${dpopAlgorithms.join(', ')}`);
  if (typeof jwk !== 'object' || jwk === null || Array.isArray(jwk))
    throw new CogmeshError(code, 'the DPoP proof holds no key (jwk)');
  const key = jwk as JWK;
  const problem = keyProblem(key) ?? (isFor(key, alg) ? undefined : 'a key for something else');
  if (problem === undefined) return key;
  throw new CogmeshError(code, `the DPoP proof holds ${problem}`);
}

/** RFC 7517, sections 4.2 to 4.4: what the key says it is for. */
function isFor({ use, key_ops: operations, alg: own }: JWK, alg: string): boolean {
  const verifies = operations === undefined || (Array.isArray(operations) && operations.includes('verify'));
  return (use === undefined || use === 'sig') && verifies && (own === undefined || own === alg);
}

function assertFits(payload: JWTPayload, request: { token?: string; method: string; url: string }): void {
  const { jti, htm, htu, ath } = payload;
  const claims: readonly (readonly [string, boolean])[] = [
    ['jti', typeof jti === 'string' && jti !== '' && jti.length <= idMaxChars],
    ['htm', htm === request.method],
    ['htu', typeof htu === 'string' && placeOf(htu) !== undefined && placeOf(htu) === placeOf(request.url)],
    ['ath', request.token === undefined || ath === createHash('sha256').update(request.token).digest('base64url')],
  ];
  const wrong = claims.find(([, fits]) => !fits);
  if (wrong === undefined) return;
  throw new CogmeshError(code, `the DPoP proof is for another request ("${wrong[0]}")`, { claim: wrong[0] });
}

/** RFC 9449, section 4.3: without query and fragment, after syntax- and scheme-based normalisation. */
function placeOf(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  return `${url.protocol}//${url.host}${url.pathname}`;
}
