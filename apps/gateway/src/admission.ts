/**
 * What every call passes before a use case sees it, on either face: who calls, by the issuer registry, and whether the
 * caller's organisation still has requests to spend. Knows no policy.
 */
import { CogmeshError } from '@cogmesh/errors';
import type { OutsideTokenVerifier, VerifiedSubject } from '@cogmesh/identity';
import { attributeNames, spanNames, withSpan } from '@cogmesh/telemetry';
import type { IssuerDirectory } from './adapters/issuer-directory.js';
import type { RateLimit } from './rate-limit.js';

export class Admission {
  readonly #verifier: Pick<OutsideTokenVerifier, 'verifyWithExpiry'>;
  readonly #issuers: Pick<IssuerDirectory, 'assertFresh'>;
  readonly #rate: RateLimit;

  constructor(parts: {
    verifier: Pick<OutsideTokenVerifier, 'verifyWithExpiry'>;
    issuers: Pick<IssuerDirectory, 'assertFresh'>;
    rate: RateLimit;
  }) {
    this.#verifier = parts.verifier;
    this.#issuers = parts.issuers;
    this.#rate = parts.rate;
  }

  /** Rejects with the token's fault, `stale_policy`, or `rate_limited`. */
  async admit(authorization: string | undefined): Promise<VerifiedSubject> {
    const verified = await withSpan(spanNames.authenticate, {}, async (span) => {
      const token = bearerOf(authorization);
      this.#issuers.assertFresh();
      const found = await this.#verifier.verifyWithExpiry(token);
      span.setAttributes({
        [attributeNames.organisation]: found.subject.organisation,
        [attributeNames.subject]: found.subject.sub,
      });
      return found;
    });
    this.#rate.spend(verified.subject.organisation);
    return verified;
  }
}

function bearerOf(authorization: string | undefined): string {
  const token = /^Bearer +([A-Za-z0-9._~+/=-]+)$/i.exec(authorization ?? '')?.[1];
  if (token !== undefined) return token;
  throw new CogmeshError('unauthenticated', 'send "Authorization: Bearer <token>" with a token of a registered issuer');
}
