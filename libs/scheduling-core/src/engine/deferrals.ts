/**
 * Things that have to be tried again a little later, each with a back-off of its own: a task whose agent handed it back, a
 * step whose neighbour does not answer. One organisation's trouble delays nobody else. What waits is forgotten with the
 * memory it belongs to; how often it was tried is not.
 */
import type { Clock } from './ports.js';

interface Tried {
  readonly times: number;
  readonly atMs: number;
}

const firstMs = 50;
const maxMs = 5_000;
/** After this long without a new try the next one is the first again. */
const forgetAfterMs = 30_000;
const maxRemembered = 50_000;

export class Deferrals {
  readonly #clock: Clock;
  readonly #tried = new Map<string, Tried>();
  readonly #waiting = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Things that wait for their next try. */
  get size(): number {
    return this.#waiting.size;
  }

  /** Runs `again` after a wait that doubles with each deferral of the same key. */
  defer(key: string, again: () => void): void {
    const now = this.#clock.now();
    const before = this.#tried.get(key);
    const times = before && now - before.atMs < forgetAfterMs ? before.times + 1 : 0;
    const waitMs = Math.min(maxMs, firstMs * 2 ** Math.min(times, 10));
    this.#tried.delete(key);
    this.#tried.set(key, { times, atMs: now + waitMs });
    this.#trim();
    const cancel = this.#clock.after(waitMs, () => {
      this.#waiting.delete(cancel);
      again();
    });
    this.#waiting.add(cancel);
  }

  /** Nothing that waits is tried again. */
  clear(): void {
    for (const cancel of this.#waiting) cancel();
    this.#waiting.clear();
  }

  #trim(): void {
    const oldest = this.#tried.keys().next().value;
    if (this.#tried.size > maxRemembered && oldest !== undefined) this.#tried.delete(oldest);
  }
}
