/**
 * Whose tokens are accepted, as the policy service's registry has it: fetched every few seconds and on a hint, and kept for
 * a bounded time while policy cannot be reached. Past that bound nobody is authenticated any more (`stale_policy`).
 * Staleness is measured on the monotonic clock.
 */
import { toJson } from '@bufbuild/protobuf';
import { policyV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import { issuerOfMessage, type IssuerRecord } from '@cogmesh/identity';
import type { Logger } from '@cogmesh/telemetry';
import type { PolicyClient } from '../operations/ports.js';
import { untraced } from '@cogmesh/telemetry';

export interface IssuerDirectoryOptions {
  readonly policy: PolicyClient;
  /** Called with every new registry, and only then: the verifier forgets verified tokens. */
  readonly replace: (issuers: readonly IssuerRecord[]) => void;
  readonly refreshMs: number;
  readonly maxStalenessMs: number;
  readonly logger: Logger;
}

/** Issuers one registry may hold here; the rest of a larger one is refused whole. */
const maxIssuers = 10_000;
const fetchDeadlineMs = 2_000;
/** Until the first registry arrives, policy may be starting as we do. */
const firstRetryMs = 100;

export class IssuerDirectory {
  readonly #options: IssuerDirectoryOptions;
  #fetchedAt: number | undefined;
  #held = '';
  #timer: NodeJS.Timeout | undefined;
  #fetching: Promise<void> | undefined;
  #stopped = false;

  constructor(options: IssuerDirectoryOptions) {
    this.#options = options;
  }

  /** Starts refreshing; does not wait for the first answer. */
  start(): void {
    void this.refresh();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** Milliseconds since the registry was last read; undefined before the first time. */
  get ageMs(): number | undefined {
    return this.#fetchedAt === undefined ? undefined : performance.now() - this.#fetchedAt;
  }

  /** Rejects with `stale_policy` when what is held is too old to trust. */
  assertFresh(): void {
    const age = this.ageMs;
    if (age !== undefined && age <= this.#options.maxStalenessMs) return;
    const message =
      age === undefined
        ? 'the issuer registry has not been read yet'
        : 'the issuer registry could not be read for too long';
    throw new CogmeshError('stale_policy', `${message}; try again shortly`, { retryAfterSeconds: 1 });
  }

  /** Reads the registry now; calls made meanwhile share the answer. Never rejects: a failure is logged and tried again. */
  refresh(): Promise<void> {
    this.#fetching ??= this.#fetch().finally(() => {
      this.#fetching = undefined;
      this.#schedule();
    });
    return this.#fetching;
  }

  async #fetch(): Promise<void> {
    try {
      const answer = await untraced(() => this.#options.policy.getIssuers({}, { deadlineMs: fetchDeadlineMs }));
      if (answer.issuers.length > maxIssuers)
        throw new CogmeshError('failed_precondition', `more than ${maxIssuers} issuers`);
      const seen = JSON.stringify(toJson(policyV1.GetIssuersResponseSchema, answer));
      if (seen !== this.#held) this.#options.replace(answer.issuers.map(issuerOfMessage));
      this.#held = seen;
      this.#fetchedAt = performance.now();
    } catch (thrown) {
      this.#options.logger.warn({ err: thrown, ageMs: this.ageMs }, 'the issuer registry cannot be read');
    }
  }

  #schedule(): void {
    if (this.#stopped) return;
    clearTimeout(this.#timer);
    const wait = this.#fetchedAt === undefined ? firstRetryMs : this.#options.refreshMs;
    this.#timer = setTimeout(() => void this.refresh(), wait).unref();
  }
}
