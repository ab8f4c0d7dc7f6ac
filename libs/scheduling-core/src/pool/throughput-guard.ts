/**
 * Judges growth by what it brought: work ended per second after it, against before. Only while slots are short both times does
 * the comparison say anything; in any other case growth is left alone.
 */
import type { PoolSettings } from './settings.js';

interface Sample {
  readonly atMs: number;
  readonly completed: number;
  /** Every slot was busy and more waited. */
  readonly isFull: boolean;
}

interface Growth {
  readonly before: number;
  readonly slots: number;
  readonly atMs: number;
}

export interface Loss {
  /** Slots there were before the growth that lost. */
  readonly slots: number;
  readonly before: number;
  readonly after: number;
}

export class ThroughputGuard {
  readonly #settings: Pick<PoolSettings, 'settleMs' | 'lossTolerance'>;
  /** Of the last `settleMs`, oldest first. */
  #samples: Sample[] = [];
  #growth: Growth | undefined;

  constructor(settings: Pick<PoolSettings, 'settleMs' | 'lossTolerance'>) {
    this.#settings = settings;
  }

  /** `completed` since ever; undefined or smaller than before when it cannot be compared. */
  note(sample: { readonly atMs: number; readonly completed: number | undefined; readonly isFull: boolean }): void {
    const { atMs, completed, isFull } = sample;
    if (completed === undefined || completed < (this.#samples.at(-1)?.completed ?? 0)) {
      this.#samples = [];
      this.#growth = undefined;
    }
    if (completed === undefined) return;
    this.#samples.push({ atMs, completed, isFull });
    // One sample at or before the beginning of the time measured stays.
    while (atMs - (this.#samples[1]?.atMs ?? atMs) >= this.#settings.settleMs) this.#samples.shift();
  }

  /** The slots that there are now are about to become more. */
  grew(slots: number, nowMs: number): void {
    const before = this.#perSecond(nowMs);
    this.#growth = before === undefined ? undefined : { before, slots, atMs: nowMs };
    this.#samples = this.#samples.slice(-1);
  }

  /** Slots asked for are not there yet: measuring begins when they are. */
  wait(nowMs: number): void {
    if (this.#growth) this.#growth = { ...this.#growth, atMs: nowMs };
    this.#samples = this.#samples.slice(-1);
  }

  /** There was no growth after all. */
  forget(): void {
    this.#growth = undefined;
  }

  get isJudging(): boolean {
    return this.#growth !== undefined;
  }

  /** Answers once per growth, when there is an answer. */
  judge(nowMs: number): Loss | undefined {
    const growth = this.#growth;
    if (!growth || nowMs - growth.atMs < this.#settings.settleMs) return undefined;
    this.#growth = undefined;
    const after = this.#perSecond(nowMs);
    if (after === undefined || after >= growth.before * (1 - this.#settings.lossTolerance)) return undefined;
    return { slots: growth.slots, before: growth.before, after };
  }

  /** Over the newest time in which slots were short without a break; undefined when that is less than half of `settleMs`. */
  #perSecond(nowMs: number): number | undefined {
    const begins = this.#samples.findLastIndex(({ isFull }) => !isFull) + 1;
    const [first, last] = [this.#samples[begins], this.#samples.at(-1)];
    if (!first || !last || nowMs - first.atMs < this.#settings.settleMs / 2) return undefined;
    return ((last.completed - first.completed) / (last.atMs - first.atMs)) * 1_000;
  }
}
