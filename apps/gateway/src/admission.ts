/**
 * What every call passes before a use case sees it, on either face: who calls, by the issuer registry, that nothing of it is
 * revoked, and whether the caller's organisation still has requests to spend. Knows no policy.
 */
import { CogmeshError } from '@cogmesh/errors';
import type { OutsideTokenVerifier, Presentation, VerifiedSubject } from '@cogmesh/identity';
import { attributeNames, spanNames, withSpan } from '@cogmesh/telemetry';
import type { IssuerDirectory } from './adapters/issuer-directory.js';
import { revokedError, type PolicySource } from '@cogmesh/enforcement';
import type { RateLimit } from './rate-limit.js';

export type Revocable = Pick<PolicySource, 'assertFresh' | 'revocations' | 'onChange'>;

/** Enforcement points ask at every request of their own users, so their questions have a bucket of their own. */
export interface DecisionAskers {
  readonly role: string;
  readonly rate: RateLimit;
}

/** What of a request a proof of possession speaks of. */
export type AdmittedRequest = Omit<Presentation, 'scheme'>;

export class Admission {
  readonly #verifier: Pick<OutsideTokenVerifier, 'verifyWithExpiry' | 'proofKey'>;
  readonly #issuers: Pick<IssuerDirectory, 'assertFresh'>;
  readonly #rate: RateLimit;
  readonly #decisions: DecisionAskers;
  readonly #revocable: Revocable;

  constructor(parts: {
    verifier: Pick<OutsideTokenVerifier, 'verifyWithExpiry' | 'proofKey'>;
    issuers: Pick<IssuerDirectory, 'assertFresh'>;
    rate: RateLimit;
    decisions: DecisionAskers;
    revocable: Revocable;
  }) {
    this.#verifier = parts.verifier;
    this.#issuers = parts.issuers;
    this.#rate = parts.rate;
    this.#decisions = parts.decisions;
    this.#revocable = parts.revocable;
  }

  /** Rejects with the token's fault, `revoked`, `stale_policy`, or `rate_limited`. */
  async admit(
    authorization: string | undefined,
    request?: AdmittedRequest,
    purpose: 'decisions' | 'anything' = 'anything',
  ): Promise<VerifiedSubject> {
    const verified = await withSpan(spanNames.authenticate, {}, async (span) => {
      const { token, scheme } = credentialsOf(authorization);
      this.#issuers.assertFresh();
      const known = await this.#verifier.verifyWithExpiry(token, request && { ...request, scheme });
      const found = { ...known, subject: { ...known.subject, keyId: known.keyId ?? '' } };
      this.#refuseRevoked(found.subject);
      span.setAttributes({
        [attributeNames.organisation]: found.subject.organisation,
        [attributeNames.subject]: found.subject.sub,
      });
      return found;
    });
    const asks = purpose === 'decisions' && verified.subject.roles.includes(this.#decisions.role);
    (asks ? this.#decisions.rate : this.#rate).spend(verified.subject.organisation);
    return verified;
  }

  /** As `admit`, for a token that somebody handed over. One that is bound to a key is not good without its holder. */
  async verify(token: string): Promise<VerifiedSubject> {
    this.#issuers.assertFresh();
    const verified = await this.#verifier.verifyWithExpiry(token);
    this.#refuseRevoked({ ...verified.subject, keyId: verified.keyId ?? '' });
    this.#rate.spend(verified.subject.organisation);
    return verified;
  }

  /** The thumbprint of the key that signed the request's proof. Rejects with `invalid_dpop_proof`. */
  proofKey(request: AdmittedRequest): Promise<string> {
    return this.#verifier.proofKey({ ...request, scheme: 'DPoP' });
  }

  /** Calls `end` once, when the subject is revoked or nobody can tell any more; for streams. Answers how to stop. */
  follow({ subject }: Pick<VerifiedSubject, 'subject'>, end: (why: unknown) => void): () => void {
    const look = (): void => {
      try {
        this.#refuseRevoked(subject);
      } catch (thrown) {
        stop();
        end(thrown);
      }
    };
    const timer = setInterval(look, lookEveryMs).unref();
    const forget = this.#revocable.onChange(look);
    const stop = (): void => {
      clearInterval(timer);
      forget();
    };
    return stop;
  }

  #refuseRevoked(subject: VerifiedSubject['subject']): void {
    this.#revocable.assertFresh();
    for (const one of [subject, ...(subject.actors ?? [])]) {
      const revocation = this.#revocable.revocations.find(one, Date.now());
      if (revocation !== undefined) throw revokedError(revocation);
    }
  }
}

/** How often an open stream is looked at when nothing is heard, milliseconds. */
const lookEveryMs = 500;

function credentialsOf(authorization: string | undefined): { token: string; scheme: Presentation['scheme'] } {
  const [, scheme = '', token] = /^(Bearer|DPoP) +([A-Za-z0-9._~+/=-]+)$/i.exec(authorization ?? '') ?? [];
  if (token !== undefined) return { token, scheme: scheme.toLowerCase() === 'dpop' ? 'DPoP' : 'Bearer' };
  throw new CogmeshError('unauthenticated', 'send "Authorization: Bearer <token>" with a token of a registered issuer');
}
