/**
 * Credits in use: one entry per attempt that an agent or a shared queue holds, never a bare counter, so that nothing leaks.
 * Free credits are what an agent announced less the attempts held for it. Rebuilt from the rows at start.
 */
import type { Scoped } from '../scope-keys.js';
import type { HeldAttempt } from './new-run.js';

/** Where an attempt went. */
export type Target =
  | { readonly agentId: string; readonly queue?: undefined; readonly capability: string }
  | { readonly agentId?: undefined; readonly queue: string; readonly capability: string };

const usageKeys = ({ agentId, queue, capability }: Target): string =>
  agentId === undefined ? `queue ${queue}` : `agent ${agentId} ${capability}`;

/** Who else counts what is in flight; told of every change, and by whom an attempt is. */
export interface CreditUsage {
  hold(attemptId: string, task: Scoped): void;
  restore(attemptId: string, task: Scoped): void;
  release(attemptId: string): void;
}

/** Told when an attempt is handed over and when it is held no more. */
export interface AttemptClock {
  began(attemptId: string, target: Target): void;
  forget(attemptId: string): void;
}

export class Credits {
  readonly #usage: CreditUsage;
  readonly #clock: AttemptClock | undefined;
  readonly #held = new Map<string, Target>();
  readonly #used = new Map<string, number>();

  constructor(usage: CreditUsage, clock?: AttemptClock) {
    this.#usage = usage;
    this.#clock = clock;
  }

  hold(attemptId: string, target: Target, task: Scoped): void {
    this.#take(attemptId, target);
    this.#usage.hold(attemptId, task);
    this.#clock?.began(attemptId, target);
  }

  /** Nothing happens when nobody holds the attempt. */
  release(attemptId: string): void {
    const target = this.#held.get(attemptId);
    if (!target) return;
    this.#held.delete(attemptId);
    this.#usage.release(attemptId);
    this.#clock?.forget(attemptId);
    this.#add(usageKeys(target), -1);
  }

  has(attemptId: string): boolean {
    return this.#held.has(attemptId);
  }

  usedBy(agentId: string, capability: string): number {
    return this.#used.get(usageKeys({ agentId, capability })) ?? 0;
  }

  outstandingIn(queue: string): number {
    return this.#used.get(`queue ${queue}`) ?? 0;
  }

  /** Attempts that these agents hold. */
  heldBy(agents: ReadonlySet<string>): string[] {
    return [...this.#held].flatMap(([attemptId, { agentId }]) => (agentId && agents.has(agentId) ? [attemptId] : []));
  }

  /** Attempts that are counted. */
  attempts(): string[] {
    return [...this.#held.keys()];
  }

  /** Agents that hold something. */
  agents(): Set<string> {
    return new Set([...this.#held.values()].flatMap(({ agentId }) => (agentId === undefined ? [] : [agentId])));
  }

  /** Replaces everything by what the rows say. */
  rebuild(rows: readonly HeldAttempt[]): void {
    for (const id of [...this.#held.keys()]) this.release(id);
    for (const { attemptId, agentId, queue, capability, organisation, uses, concurrencyGroup } of rows) {
      if (queue !== null) this.#take(attemptId, { queue, capability });
      else if (agentId !== null) this.#take(attemptId, { agentId, capability });
      else continue;
      const task = { organisation, group: uses };
      this.#usage.restore(attemptId, concurrencyGroup === null ? task : { ...task, concurrencyGroup });
    }
  }

  #take(attemptId: string, target: Target): void {
    this.release(attemptId);
    this.#held.set(attemptId, target);
    this.#add(usageKeys(target), 1);
  }

  #add(key: string, by: number): void {
    const used = (this.#used.get(key) ?? 0) + by;
    if (used <= 0) this.#used.delete(key);
    else this.#used.set(key, used);
  }
}
