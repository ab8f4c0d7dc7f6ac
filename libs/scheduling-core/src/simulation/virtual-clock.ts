/**
 * Time that passes only when nothing is left to do. Between two events everything that promises can do is done, so a step
 * is whatever follows from one event; what is due at the same time happens in an order that the seed decides.
 */
import { setImmediate } from 'node:timers';
import type { Clock } from '../engine/ports.js';
import type { SeededRandom } from './seeded-random.js';

interface Planned {
  readonly at: number;
  /** Decides between events of one time. */
  readonly lot: number;
  readonly order: number;
  call: (() => void) | undefined;
}

/** Longest chain of `soon` within one instant: more is a loop that never rests. */
const maxStepsAtOnce = 100_000;

export interface Until {
  /** Virtual time at which to give up, milliseconds since the epoch. */
  readonly deadline: number;
  /** Asked after every step. */
  readonly isDone: () => boolean;
  /** Called after every step. */
  readonly onStep?: () => void;
}

export class VirtualClock implements Clock {
  #now: number;
  #order = 0;
  readonly #random: Pick<SeededRandom, 'next'> | undefined;
  readonly #events: Planned[] = [];
  #soon: (() => void)[] = [];

  /** `start`: milliseconds since the epoch. Without `random` events of one time keep the order in which they were planned. */
  constructor(start: number, random?: Pick<SeededRandom, 'next'>) {
    this.#now = start;
    this.#random = random;
  }

  readonly now = (): number => this.#now;

  after(ms: number, call: () => void): () => void {
    const at = this.#now + Math.max(0, Math.ceil(ms));
    const event: Planned = { at, lot: this.#random?.next() ?? 0, order: (this.#order += 1), call };
    this.#push(event);
    return () => (event.call = undefined);
  }

  soon(call: () => void): void {
    this.#soon.push(call);
  }

  /** Resolves after `ms`. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve));
  }

  /** True when it is done, false when the deadline came first or nothing is left that could happen. */
  async run({ deadline, isDone, onStep }: Until): Promise<boolean> {
    await this.settle();
    while (!isDone()) {
      const event = this.#pop();
      if (!event || event.at > deadline) return false;
      this.#now = event.at;
      event.call?.();
      await this.settle();
      onStep?.();
    }
    return true;
  }

  /** Lets this much time pass. */
  async advance(ms: number): Promise<void> {
    const deadline = this.#now + ms;
    await this.settle();
    for (let next = this.#events[0]; next && next.at <= deadline; next = this.#events[0]) {
      this.#pop();
      this.#now = next.at;
      next.call?.();
      await this.settle();
    }
    this.#now = deadline;
  }

  /** Everything that can be done now is done. */
  async settle(): Promise<void> {
    await quiet();
    for (let step = 0; this.#soon.length > 0; step += 1) {
      if (step > maxStepsAtOnce) throw new Error('the simulated world never comes to rest');
      const calls = this.#soon;
      this.#soon = [];
      for (const call of calls) call();
      await quiet();
    }
  }

  #push(event: Planned): void {
    const heap = this.#events;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent])) break;
      heap[at] = heap[parent] as Planned;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): Planned | undefined {
    const heap = this.#events;
    const [first] = heap;
    const last = heap.pop();
    if (!last || last === first) return first;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      if (isBefore(heap[child + 1], heap[child])) child += 1;
      if (!isBefore(heap[child], last)) break;
      heap[at] = heap[child] as Planned;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

/** Resolves when no promise is left that can go on by itself: the event loop runs them all before it gets here. */
const quiet = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function isBefore(a: Planned | undefined, b: Planned | undefined): boolean {
  if (!a || !b) return a !== undefined;
  if (a.at !== b.at) return a.at < b.at;
  return a.lot === b.lot ? a.order < b.order : a.lot < b.lot;
}
