/**
 * Decisions that hold for a while, and what the candidate rules of a question read: least recently used out first, each decision with its
 * own end. Nothing here decides what may be kept.
 */
import type { Decision, Reads } from '@cogmesh/policy-core';

interface Entry {
  readonly decision: Decision;
  readonly expiresAtMs: number;
}

export class DecisionCache {
  readonly #entries = new Map<string, Entry>();
  readonly #reads = new Map<string, Reads>();
  readonly #maxEntries: number;

  /** 0 keeps nothing. */
  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string, nowMs: number): Decision | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    if (entry.expiresAtMs <= nowMs) return undefined;
    this.#entries.set(key, entry);
    return entry.decision;
  }

  set(key: string, decision: Decision, expiresAtMs: number): void {
    put(this.#entries, this.#maxEntries, { key, value: { decision, expiresAtMs } });
  }

  /** What the rules for a question read; it is the same as long as the key is, so it has no end. */
  readsOf(key: string, look: () => Reads): Reads {
    const known = this.#reads.get(key);
    const reads = known ?? look();
    put(this.#reads, this.#maxEntries, { key, value: reads });
    return reads;
  }
}

function put<V>(entries: Map<string, V>, max: number, { key, value }: { key: string; value: V }): void {
  if (max === 0) return;
  entries.delete(key);
  entries.set(key, value);
  if (entries.size <= max) return;
  const [oldest] = entries.keys();
  if (oldest !== undefined) entries.delete(oldest);
}
