/**
 * Steps of one kind that wait to be taken. Those that find everything in memory are taken at once, in large batches, and end
 * before anything is stored; those that have to wait for somebody go a few batches at a time and hold up nobody else.
 */
import type { Deferrals } from './deferrals.js';
import type { OnTrouble } from './dispatch-ports.js';

export interface StepKind<T> {
  /** In a few words, for whoever reads of trouble. */
  readonly what: string;
  readonly keyOf: (step: T) => string;
  readonly isInMemory: (step: T) => boolean;
  /** Answers those that have to wait for somebody although they may not. Rejects when nothing was decided. */
  readonly take: (steps: readonly T[], mayWait: boolean) => Promise<readonly T[]>;
}

export interface StepQueueOptions {
  /** Of memory; what was begun in an older one is void. */
  readonly generation: () => number;
  readonly deferrals: Deferrals;
  readonly onTrouble: OnTrouble;
  /** More may be taken. */
  readonly onDone: () => void;
}

const batchSize = 200;
/** Batches that wait for somebody at once. */
const maxWaiting = 4;

export class StepQueue<T> {
  readonly #kind: StepKind<T>;
  readonly #options: StepQueueOptions;
  readonly #fresh = new Map<string, T>();
  readonly #slow = new Map<string, T>();
  /** Begun and not ended. */
  readonly #taking = new Set<string>();
  #waiting = 0;

  constructor(kind: StepKind<T>, options: StepQueueOptions) {
    this.#kind = kind;
    this.#options = options;
  }

  /** Nothing waits to be taken. */
  get isEmpty(): boolean {
    return this.#fresh.size === 0 && this.#slow.size === 0;
  }

  /** It waits to be taken, is being taken, or is tried again later. */
  has(key: string): boolean {
    const isWaiting = this.#fresh.has(key) || this.#slow.has(key) || this.#taking.has(key);
    return isWaiting || this.#options.deferrals.isWaiting(`${this.#kind.what} ${key}`);
  }

  add(step: T): void {
    const key = this.#kind.keyOf(step);
    this.#slow.delete(key);
    this.#fresh.set(key, step);
  }

  forget(key: string): void {
    this.#fresh.delete(key);
    this.#slow.delete(key);
  }

  clear(): void {
    this.#fresh.clear();
    this.#slow.clear();
    this.#taking.clear();
    this.#waiting = 0;
  }

  /** Begins what can be begun now. `onBegin`: these are waiting no more. */
  step(onBegin: (steps: readonly T[]) => void = () => undefined): void {
    for (let fresh = takeFrom(this.#fresh); fresh.length > 0; fresh = takeFrom(this.#fresh)) {
      const quick = fresh.filter((step) => this.#kind.isInMemory(step));
      const isQuick = new Set(quick);
      for (const step of fresh) if (!isQuick.has(step)) this.#slow.set(this.#kind.keyOf(step), step);
      onBegin(quick);
      if (quick.length > 0) void this.#take(quick, false);
    }
    while (this.#waiting < maxWaiting && this.#slow.size > 0) {
      const slow = takeFrom(this.#slow);
      onBegin(slow);
      void this.#take(slow, true);
    }
  }

  async #take(steps: readonly T[], mayWait: boolean): Promise<void> {
    const { generation, onDone } = this.#options;
    const begun = generation();
    if (mayWait) this.#waiting += 1;
    const keys = steps.map((step) => this.#kind.keyOf(step));
    for (const key of keys) this.#taking.add(key);
    try {
      const left = await this.#kind.take(steps, mayWait);
      if (begun !== generation()) return;
      for (const step of left) this.#slow.set(this.#kind.keyOf(step), step);
    } catch (error) {
      if (begun !== generation()) return;
      this.#putOff(steps, error);
    }
    for (const key of keys) this.#taking.delete(key);
    if (mayWait) this.#waiting -= 1;
    onDone();
  }

  #putOff(steps: readonly T[], error: unknown): void {
    const { keyOf, what } = this.#kind;
    const { deferrals, onTrouble, onDone } = this.#options;
    onTrouble(error, what);
    for (const step of steps) {
      deferrals.defer(`${what} ${keyOf(step)}`, () => {
        this.add(step);
        onDone();
      });
    }
  }
}

function takeFrom<T>(steps: Map<string, T>): T[] {
  const taken: T[] = [];
  for (const [key, step] of steps) {
    if (taken.length === batchSize) break;
    steps.delete(key);
    taken.push(step);
  }
  return taken;
}
