/**
 * Decisions that hold for a while. A question is known by its key; what its candidate rules read of the rest of the request is asked once,
 * and one decision is kept with the values that were read. What was not used lately goes first. Nothing here decides what may be kept.
 */
import type { Reads } from '@cogmesh/policy-core';
import { Generations } from './generations.js';
import type { Verdict } from './verdict.js';

export class DecisionCache {
  readonly #questions: Generations<KeptQuestion>;

  /** Keeps so many decisions at most; 0 keeps nothing. */
  constructor(maxEntries: number) {
    this.#questions = new Generations(maxEntries);
  }

  get size(): number {
    return this.#questions.size;
  }

  /** `look` answers what the rules for the question read; it is the same as long as the key is, so it has no end. */
  question(key: string, look: () => Reads): KeptQuestion {
    const known = this.#questions.get(key);
    if (known !== undefined) return known;
    const question = new KeptQuestion(look());
    this.#questions.set(key, question);
    return question;
  }
}

class KeptQuestion {
  readonly reads: Reads;
  #verdict: Verdict | undefined;
  #values = '';
  #expiresAtMs = 0;

  constructor(reads: Reads) {
    this.reads = reads;
  }

  /** The decision with exactly these values read, while it holds. */
  verdictWith(values: string, nowMs: number): Verdict | undefined {
    return this.#expiresAtMs > nowMs && this.#values === values ? this.#verdict : undefined;
  }

  keep(verdict: Verdict, { values, expiresAtMs }: { values: string; expiresAtMs: number }): void {
    this.#verdict = verdict;
    this.#values = values;
    this.#expiresAtMs = expiresAtMs;
  }
}
