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
  /** How to cancel what waits, by key. */
  readonly #waiting = new Map<string, Set<() => void>>();
  #size = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Things that wait for their next try. */
  get size(): number {
    return this.#size;
  }

  isWaiting(key: string): boolean {
    return this.#waiting.has(key);
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
      this.#forget(key, cancel);
      again();
    });
    this.#waiting.set(key, (this.#waiting.get(key) ?? new Set()).add(cancel));
    this.#size += 1;
  }

  /** Nothing that waits is tried again. */
  clear(): void {
    for (const waiting of this.#waiting.values()) for (const cancel of waiting) cancel();
    this.#waiting.clear();
    this.#size = 0;
  }

  #forget(key: string, cancel: () => void): void {
    const waiting = this.#waiting.get(key);
    if (!waiting?.delete(cancel)) return;
    this.#size -= 1;
    if (waiting.size === 0) this.#waiting.delete(key);
  }

  #trim(): void {
    const oldest = this.#tried.keys().next().value;
    if (this.#tried.size > maxRemembered && oldest !== undefined) this.#tried.delete(oldest);
  }
}
