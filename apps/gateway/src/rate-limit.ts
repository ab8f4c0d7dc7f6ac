/**
 * A token bucket per organisation. Memory is bounded: when there are too many buckets, the one used longest ago goes, which
 * by then is most likely full again.
 */
import { CogmeshError } from '@cogmesh/errors';

export interface RateLimitOptions {
  readonly perSecond: number;
  readonly burst: number;
  /** Monotonic, milliseconds. */
  readonly now: () => number;
  /** Buckets kept. Default 10,000. */
  readonly maxBuckets?: number;
}

interface Bucket {
  tokens: number;
  at: number;
}

const defaultMaxBuckets = 10_000;

export class RateLimit {
  readonly #options: RateLimitOptions;
  readonly #buckets = new Map<string, Bucket>();

  constructor(options: RateLimitOptions) {
    this.#options = options;
  }

  /** Takes one request from the organisation's bucket; rejects with `rate_limited` and when to come back. */
  spend(organisation: string): void {
    const { perSecond, burst, now } = this.#options;
    const at = now();
    const held = this.#buckets.get(organisation) ?? { tokens: burst, at };
    const tokens = Math.min(burst, held.tokens + ((at - held.at) / 1000) * perSecond);
    const enough = tokens >= 1;
    this.#keep(organisation, { tokens: enough ? tokens - 1 : tokens, at });
    if (enough) return;
    const retryAfterSeconds = Math.max(1, Math.ceil((1 - tokens) / perSecond));
    throw new CogmeshError('rate_limited', `${organisation} makes more than ${perSecond} requests per second`, {
      limitPerSecond: perSecond,
      retryAfterSeconds,
    });
  }

  get size(): number {
    return this.#buckets.size;
  }

  #keep(organisation: string, bucket: Bucket): void {
    this.#buckets.delete(organisation);
    this.#buckets.set(organisation, bucket);
    if (this.#buckets.size <= (this.#options.maxBuckets ?? defaultMaxBuckets)) return;
    const [oldest] = this.#buckets.keys();
    if (oldest !== undefined) this.#buckets.delete(oldest);
  }
}
