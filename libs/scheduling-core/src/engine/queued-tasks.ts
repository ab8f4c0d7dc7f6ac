/**
 * How many unfinished tasks each organisation has, so that one which sends faster than it is served is told to wait. Counted
 * by every decision, and anew from the store whenever memory is read anew. A submit reserves its place before it is stored,
 * so many at once cannot pass together; while the count is made anew, submits wait.
 */
import { CogmeshError } from '@cogmesh/errors';
import { Throughput } from '../throughput.js';
import type { Effects } from './effects.js';
import type { EngineListener } from './engine.js';
import type { Snapshot } from './ports.js';

export interface Admission<T> {
  readonly organisation: string;
  readonly tasks: number;
  /** Unfinished tasks the organisation may have; 0 means no limit. */
  readonly maxQueued: number;
  /** Unfinished tasks as the store counts them, where other schedulers work for the organisation too. */
  readonly known?: number;
  /** What an earlier submit with the same key made: that one is answered even when there is no room. */
  readonly earlier: () => Promise<T | undefined>;
  /** Must not wait for the engine, which waits for it. */
  readonly store: () => Promise<T>;
}

const [minRetrySeconds, unknownRetrySeconds, maxRetrySeconds] = [1, 5, 60];

export class QueuedTasks implements EngineListener {
  #open = new Map<string, number>();
  readonly #ended: Throughput;
  readonly #storing = new Set<Promise<unknown>>();
  /** Tasks that are being stored, by organisation. */
  readonly #reserved = new Map<string, number>();
  #counting: Promise<void> | undefined;

  /** `nowMs`: monotonic, milliseconds. */
  constructor(nowMs: () => number) {
    this.#ended = new Throughput(nowMs);
  }

  of(organisation: string): number {
    return this.#open.get(organisation) ?? 0;
  }

  /** By organisation; those that have none are left out. */
  get counts(): ReadonlyMap<string, number> {
    return this.#open;
  }

  decided({ opened }: Pick<Effects, 'opened'>): void {
    for (const [organisation, change] of opened) {
      this.#add(organisation, change);
      if (change < 0) this.#ended.note(organisation, -change);
    }
  }

  restored({ open }: Pick<Snapshot, 'open'>): void {
    this.#open = new Map();
    for (const { organisation, open: count } of open) this.#add(organisation, count);
  }

  /** Rejects with `rate_limited` and when to come back. */
  async admit<T extends { readonly open: number }>(admission: Admission<T>): Promise<T> {
    while (this.#counting) await this.#counting;
    const { organisation, tasks, maxQueued, earlier, store } = admission;
    const queued = this.#queued(admission);
    if (maxQueued > 0 && queued + tasks > maxQueued) {
      const made = await earlier();
      if (made !== undefined) return made;
      throw this.#refusal(admission, queued);
    }
    this.#add(organisation, tasks);
    this.#reserve(organisation, tasks);
    const storing = store();
    this.#storing.add(storing);
    let open = 0;
    try {
      const submitted = await storing;
      open = submitted.open;
      return submitted;
    } finally {
      this.#storing.delete(storing);
      this.#reserve(organisation, -tasks);
      // Nothing of it is new when it failed or was there already.
      this.#add(organisation, open - tasks);
    }
  }

  /** Waits until no submit is being stored and lets none begin before `count`, which ends with `restored`, is done. */
  async recount(count: () => Promise<void>): Promise<void> {
    while (this.#counting) await this.#counting;
    const counting = Promise.allSettled(this.#storing).then(count);
    this.#counting = counting.then(
      () => undefined,
      () => undefined,
    );
    try {
      await counting;
    } finally {
      this.#counting = undefined;
    }
  }

  #queued<T>({ organisation, known }: Admission<T>): number {
    return known === undefined ? this.of(organisation) : known + (this.#reserved.get(organisation) ?? 0);
  }

  #reserve(organisation: string, change: number): void {
    const reserved = (this.#reserved.get(organisation) ?? 0) + change;
    if (reserved === 0) this.#reserved.delete(organisation);
    else this.#reserved.set(organisation, reserved);
  }

  #refusal<T>({ organisation, tasks, maxQueued }: Admission<T>, queued: number): CogmeshError {
    const excess = queued + tasks - maxQueued;
    const perSecond = this.#ended.perSecond(organisation);
    const seconds = perSecond === 0 ? unknownRetrySeconds : Math.ceil(excess / perSecond);
    const retryAfterSeconds = Math.min(maxRetrySeconds, Math.max(minRetrySeconds, seconds));
    const message = `${organisation} has ${queued} unfinished tasks of at most ${maxQueued}; these are ${tasks} more`;
    return new CogmeshError('rate_limited', message, { queued, maxQueued, tasks, retryAfterSeconds });
  }

  #add(organisation: string, change: number): void {
    const open = this.of(organisation) + change;
    if (open === 0) this.#open.delete(organisation);
    else this.#open.set(organisation, open);
  }
}
