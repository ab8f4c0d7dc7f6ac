/**
 * Attempts that agents said they hold, collected until it is time to tell the scheduler. Only the newest list of each agent
 * counts; a list that could not be delivered comes back unless the agent has spoken since.
 */
import type { Clock } from './agent.js';

export interface HeldAttempts {
  readonly agentId: string;
  readonly attemptIds: readonly string[];
}

export interface LeaseRenewalsOptions {
  readonly clock: Clock;
  /** Longest time a list waits, milliseconds. Default 500. */
  readonly flushAfterMs?: number;
  /** Attempts collected that make a flush due at once. Default 1,000. */
  readonly flushAtAttempts?: number;
}

export class LeaseRenewals {
  readonly #held = new Map<string, readonly string[]>();
  readonly #clock: Clock;
  readonly #flushAfterMs: number;
  readonly #flushAtAttempts: number;
  #attempts = 0;
  #oldestMs: number | undefined;

  constructor({ clock, flushAfterMs = 500, flushAtAttempts = 1_000 }: LeaseRenewalsOptions) {
    this.#clock = clock;
    this.#flushAfterMs = flushAfterMs;
    this.#flushAtAttempts = flushAtAttempts;
  }

  collect(agentId: string, attemptIds: readonly string[]): void {
    this.#attempts += attemptIds.length - (this.#held.get(agentId)?.length ?? 0);
    if (attemptIds.length === 0) this.#held.delete(agentId);
    else this.#held.set(agentId, [...attemptIds]);
    this.#oldestMs = this.#held.size === 0 ? undefined : (this.#oldestMs ?? this.#clock.monotonicMs());
  }

  due(): boolean {
    if (this.#oldestMs === undefined) return false;
    return this.#attempts >= this.#flushAtAttempts || this.#clock.monotonicMs() - this.#oldestMs >= this.#flushAfterMs;
  }

  /** Everything collected; the collection is empty afterwards. */
  take(): readonly HeldAttempts[] {
    const taken = [...this.#held].map(([agentId, attemptIds]) => ({ agentId, attemptIds }));
    this.#held.clear();
    this.#attempts = 0;
    this.#oldestMs = undefined;
    return taken;
  }

  /** Puts an undelivered batch back. */
  putBack(batch: readonly HeldAttempts[]): void {
    for (const { agentId, attemptIds } of batch) {
      if (!this.#held.has(agentId)) this.collect(agentId, attemptIds);
    }
  }
}
