/**
 * Dynamic batching for one model. Requests wait in order of priority, then arrival; a batch leaves when it is full or its
 * oldest request has waited `maxDelayMs`, and a lane is free. Every request is answered exactly once: with its result, its
 * batch's failure, `overloaded` at the door, or `timeout` / `cancelled` while it still waits. A batch that runs is never
 * recalled. The engine, the clock and the timer are ports; fairness between organisations is not decided here.
 */
import { CogmeshError } from '@cogmesh/errors';
import { BatcherStatistics, type BatcherFigures } from './statistics.js';

export interface BatchItem<I> {
  readonly input: I;
  /** Time it spent waiting, milliseconds. */
  readonly queueMs: number;
}

/** One answer per item, in order; an item may fail alone. */
export type BatchOutcome<O> =
  { readonly ok: true; readonly value: O } | { readonly ok: false; readonly error: CogmeshError };

export interface BatcherPorts<I, O> {
  /** Runs a batch of 1 to `maxBatch` items. A rejection fails every item of the batch. */
  readonly run: (items: readonly BatchItem<I>[]) => Promise<readonly BatchOutcome<O>[]>;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Calls back once after the delay; the returned function cancels. */
  readonly startTimer: (delayMs: number, callback: () => void) => () => void;
}

export interface BatcherOptions {
  readonly maxBatch: number;
  /** Milliseconds a request may wait for company. */
  readonly maxDelayMs: number;
  /** Waiting requests; more are refused. */
  readonly maxQueue: number;
  /** Batches that run at once: engine processes that hold the model. */
  readonly lanes: number;
}

export interface SubmitOptions {
  /** 0-9, higher first. Default 5. */
  readonly priority?: number;
  /** On the same clock as `now`; a request still waiting then fails with `timeout`. */
  readonly deadline?: number;
  /** Cancels the request while it waits. */
  readonly signal?: AbortSignal;
}

interface Waiting<I, O> {
  readonly input: I;
  readonly priority: number;
  readonly sequence: number;
  readonly arrivedAt: number;
  readonly deadline: number;
  readonly settle: (outcome: BatchOutcome<O>) => void;
}

export class Batcher<I, O> {
  private readonly waiting: Waiting<I, O>[] = [];
  private readonly statistics = new BatcherStatistics();
  private sequence = 0;
  private running = 0;
  private runningItems = 0;
  private cancelTimer: (() => void) | undefined;

  constructor(
    private readonly options: BatcherOptions,
    private readonly ports: BatcherPorts<I, O>,
  ) {}

  /** Resolves with the request's answer; rejects with `overloaded`, `timeout`, `cancelled` or what the engine said. */
  submit(input: I, options: SubmitOptions = {}): Promise<O> {
    if (options.signal?.aborted) return Promise.reject(cancelled());
    if (this.waiting.length >= this.options.maxQueue) {
      this.statistics.refused();
      const { maxQueue } = this.options;
      return Promise.reject(
        new CogmeshError('overloaded', `${maxQueue} requests wait already (maxQueue)`, {
          limit: maxQueue,
          retryAfterSeconds: 1,
        }),
      );
    }
    return new Promise<O>((resolve, reject) => {
      this.enqueue(input, options, (outcome) => (outcome.ok ? resolve(outcome.value) : reject(outcome.error)));
      this.dispatch();
    });
  }

  get queued(): number {
    return this.waiting.length;
  }

  figures(): BatcherFigures {
    return this.statistics.figures({ queued: this.waiting.length, running: this.runningItems });
  }

  private enqueue(input: I, options: SubmitOptions, answer: (outcome: BatchOutcome<O>) => void): void {
    const { signal } = options;
    const onAbort = (): void => this.drop(entry, cancelled());
    const entry: Waiting<I, O> = {
      input,
      priority: options.priority ?? 5,
      sequence: (this.sequence += 1),
      arrivedAt: this.ports.now(),
      deadline: options.deadline ?? Infinity,
      settle: (outcome) => {
        signal?.removeEventListener('abort', onAbort);
        answer(outcome);
      },
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    const place = this.waiting.findLastIndex((other) => other.priority >= entry.priority) + 1;
    this.waiting.splice(place, 0, entry);
  }

  private drop(entry: Waiting<I, O>, error: CogmeshError): void {
    const place = this.waiting.indexOf(entry);
    if (place === -1) return;
    this.waiting.splice(place, 1);
    entry.settle({ ok: false, error });
    this.dispatch();
  }

  /** Starts every batch that may start now, then sets the timer for the next one that may not yet. */
  private dispatch(): void {
    this.cancelTimer?.();
    this.cancelTimer = undefined;
    this.expire();
    while (this.running < this.options.lanes && this.batchIsDue()) {
      void this.runBatch(this.waiting.splice(0, this.options.maxBatch));
    }
    const wakeAt = this.nextWakeAt();
    if (wakeAt === Infinity) return;
    this.cancelTimer = this.ports.startTimer(Math.max(0, wakeAt - this.ports.now()), () => this.dispatch());
  }

  private expire(): void {
    const now = this.ports.now();
    for (const entry of this.waiting.filter((candidate) => candidate.deadline <= now)) {
      this.waiting.splice(this.waiting.indexOf(entry), 1);
      entry.settle({ ok: false, error: new CogmeshError('timeout', 'its time was up before it reached an engine') });
    }
  }

  private batchIsDue(): boolean {
    if (this.waiting.length === 0) return false;
    return (
      this.waiting.length >= this.options.maxBatch || this.oldestArrival() + this.options.maxDelayMs <= this.ports.now()
    );
  }

  private oldestArrival(): number {
    return this.waiting.reduce((oldest, entry) => Math.min(oldest, entry.arrivedAt), Infinity);
  }

  private nextWakeAt(): number {
    const deadline = this.waiting.reduce((first, entry) => Math.min(first, entry.deadline), Infinity);
    const due = this.running < this.options.lanes ? this.oldestArrival() + this.options.maxDelayMs : Infinity;
    return Math.min(deadline, due);
  }

  private async runBatch(batch: readonly Waiting<I, O>[]): Promise<void> {
    const startedAt = this.ports.now();
    this.running += 1;
    this.runningItems += batch.length;
    const outcomes = await this.outcomesOf(batch, startedAt);
    this.running -= 1;
    this.runningItems -= batch.length;
    this.statistics.ran({
      items: batch.length,
      runMs: this.ports.now() - startedAt,
      failed: outcomes.filter((o) => !o.ok).length,
    });
    batch.forEach((entry, index) => entry.settle(outcomes[index] as BatchOutcome<O>));
    this.dispatch();
  }

  private async outcomesOf(batch: readonly Waiting<I, O>[], startedAt: number): Promise<readonly BatchOutcome<O>[]> {
    try {
      const outcomes = await this.ports.run(
        batch.map(({ input, arrivedAt }) => ({ input, queueMs: startedAt - arrivedAt })),
      );
      if (outcomes.length === batch.length) return outcomes;
      const message = `the engine answered ${outcomes.length} of ${batch.length} requests`;
      return batch.map(() => ({ ok: false, error: new CogmeshError('internal', message) }));
    } catch (thrown) {
      const error =
        thrown instanceof CogmeshError ? thrown : new CogmeshError('internal', String(thrown), {}, { cause: thrown });
      return batch.map(() => ({ ok: false, error }));
    }
  }
}

function cancelled(): CogmeshError {
  return new CogmeshError('cancelled', 'cancelled while it waited');
}
