/**
 * Issuers of outside tokens for the external authorization check: asked of the policy service when a token is to be verified and what is
 * held is older than the poll interval. Beyond the staleness bound nobody is authenticated. Time is monotonic.
 */
import type { policyV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import { issuerOfMessage, type IssuerRecord } from '@cogmesh/identity';
import type { Client } from '@cogmesh/rpc';
import { untraced, type Logger } from '@cogmesh/telemetry';

export interface KnownIssuersOptions {
  readonly policy: Pick<Client<typeof policyV1.PolicyService>, 'getIssuers'>;
  /** Called with each registry that differs from the one before. */
  readonly replace: (issuers: readonly IssuerRecord[]) => void;
  readonly pollIntervalMs: number;
  readonly maxStalenessMs: number;
  readonly logger: Logger;
}

const fetchDeadlineMs = 2_000;

export class KnownIssuers {
  readonly #options: KnownIssuersOptions;
  #fetchedAtMs = Number.NEGATIVE_INFINITY;
  #held = '';
  #fetching: Promise<void> | undefined;

  constructor(options: KnownIssuersOptions) {
    this.#options = options;
  }

  /** Resolves when what is held may be used; `stale_policy` when it cannot be had. */
  async ensureFresh(): Promise<void> {
    const { pollIntervalMs, maxStalenessMs } = this.#options;
    if (this.#ageMs() < pollIntervalMs) return;
    const fetched = this.#refresh();
    if (this.#ageMs() < maxStalenessMs) return;
    await fetched;
    if (this.#ageMs() < maxStalenessMs) return;
    throw new CogmeshError('stale_policy', 'the issuer registry could not be read for too long; try again shortly', {
      retryAfterSeconds: 1,
    });
  }

  #ageMs(): number {
    return performance.now() - this.#fetchedAtMs;
  }

  #refresh(): Promise<void> {
    this.#fetching ??= this.#fetch().finally(() => {
      this.#fetching = undefined;
    });
    return this.#fetching;
  }

  async #fetch(): Promise<void> {
    const askedAtMs = performance.now();
    try {
      const { issuers } = await untraced(() => this.#options.policy.getIssuers({}, { deadlineMs: fetchDeadlineMs }));
      const records = issuers.map(issuerOfMessage);
      const seen = JSON.stringify(records);
      if (seen !== this.#held) this.#options.replace(records);
      this.#held = seen;
      this.#fetchedAtMs = askedAtMs;
    } catch (thrown) {
      this.#options.logger.warn({ err: thrown }, 'the issuer registry cannot be read');
    }
  }
}
