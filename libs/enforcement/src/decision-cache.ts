/**
 * Decisions that hold for a while, and what the candidate rules of a question read: what was not used lately out first, each decision with
 * its own end. Nothing here decides what may be kept.
 */
import type { Decision, Reads } from '@cogmesh/policy-core';
import { Generations } from './generations.js';

interface Entry {
  readonly decision: Decision;
  readonly expiresAtMs: number;
}

export class DecisionCache {
  readonly #entries: Generations<Entry>;
  readonly #reads: Generations<Reads>;

  /** 0 keeps nothing. */
  constructor(maxEntries: number) {
    this.#entries = new Generations(maxEntries);
    this.#reads = new Generations(maxEntries);
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string, nowMs: number): Decision | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.expiresAtMs > nowMs) return entry.decision;
    this.#entries.delete(key);
    return undefined;
  }

  set(key: string, decision: Decision, expiresAtMs: number): void {
    this.#entries.set(key, { decision, expiresAtMs });
  }

  /** What the rules for a question read; it is the same as long as the key is, so it has no end. */
  readsOf(key: string, look: () => Reads): Reads {
    const known = this.#reads.get(key);
    if (known !== undefined) return known;
    const reads = look();
    this.#reads.set(key, reads);
    return reads;
  }
}
