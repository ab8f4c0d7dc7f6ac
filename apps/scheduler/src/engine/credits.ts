/**
 * Credits in use: one entry per attempt that an agent or a shared queue holds, never a bare counter, so that nothing leaks.
 * Free credits are what an agent announced less the attempts held for it. Rebuilt from the rows at start.
 */
import type { HeldAttempt } from '../adapters/sql-work-queue.js';

/** Where an attempt went. */
export type Target =
  | { readonly agentId: string; readonly queue?: undefined; readonly capability: string }
  | { readonly agentId?: undefined; readonly queue: string; readonly capability: string };

const usageKeys = ({ agentId, queue, capability }: Target): string =>
  agentId === undefined ? `queue ${queue}` : `agent ${agentId} ${capability}`;

export class Credits {
  readonly #held = new Map<string, Target>();
  readonly #used = new Map<string, number>();

  hold(attemptId: string, target: Target): void {
    this.release(attemptId);
    this.#held.set(attemptId, target);
    this.#add(usageKeys(target), 1);
  }

  /** Nothing happens when nobody holds the attempt. */
  release(attemptId: string): void {
    const target = this.#held.get(attemptId);
    if (!target) return;
    this.#held.delete(attemptId);
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

  /** Agents that hold something. */
  agents(): Set<string> {
    return new Set([...this.#held.values()].flatMap(({ agentId }) => (agentId === undefined ? [] : [agentId])));
  }

  /** Replaces everything by what the rows say; attempts being claimed right now are kept by `keep`. */
  rebuild(rows: readonly HeldAttempt[], keep: ReadonlySet<string>): void {
    for (const id of [...this.#held.keys()]) if (!keep.has(id)) this.release(id);
    for (const { attemptId, agentId, queue, capability } of rows) {
      if (queue !== null) this.hold(attemptId, { queue, capability });
      else if (agentId !== null) this.hold(attemptId, { agentId, capability });
    }
  }

  #add(key: string, by: number): void {
    const used = (this.#used.get(key) ?? 0) + by;
    if (used <= 0) this.#used.delete(key);
    else this.#used.set(key, used);
  }
}
