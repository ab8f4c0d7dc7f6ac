/**
 * The way of a delivery through a handler, the same for every adapter: wait, be batched, be handled, be settled.
 * One intake lives as long as one channel; when the channel is lost the intake is abandoned, and what it still held is
 * the broker's to deliver again. It knows nothing of brokers: outcomes go to the `settle` it was given.
 */
import { CogmeshError, toCogmeshError } from '@cogmesh/errors';
import { bindService } from '@cogmesh/telemetry';
import { setTimeout as delay } from 'node:timers/promises';
import { backoff, backoffMs, defaultPrefetch } from './limits.js';
import type { BusLogger } from './logger.js';
import type { ConsumeOptions, Delivery, Handler, Verdict } from './port.js';
import { traceProcess, type MessagingSystem } from './tracing.js';

export interface Received {
  readonly delivery: Delivery;
  /** Deliveries of this message before this one. */
  readonly attempt: number;
}

/** `return`: handed back unhandled. */
export type Outcome = Verdict | 'return';

export interface Settled<R extends Received> {
  readonly received: R;
  readonly outcome: Outcome;
}

export interface IntakeOptions<R extends Received> extends ConsumeOptions {
  readonly system: MessagingSystem;
  readonly queue: string;
  readonly logger?: BusLogger | undefined;
  /** Called with what was decided; never after `abandon`. */
  readonly settle: (settled: readonly Settled<R>[]) => void;
}

export class Intake<R extends Received> {
  /** The handler in its span, as the service that consumes, whoever's publish set it off. */
  readonly #handler: Handler;
  readonly #options: IntakeOptions<R>;
  readonly #maxBatch: number;
  readonly #concurrency: number;
  readonly #waiting: R[] = [];
  readonly #running = new Set<Promise<void>>();
  readonly #retrying = new Map<R, NodeJS.Timeout>();
  readonly #stopping = new AbortController();
  #abandoned = false;
  #scheduled = false;

  constructor(handler: Handler, options: IntakeOptions<R>) {
    const { system, queue } = options;
    this.#handler = bindService((deliveries: readonly Delivery[]) =>
      traceProcess(system, { queue, deliveries }, () => handler(deliveries)),
    );
    this.#options = options;
    this.#maxBatch = options.maxBatch ?? 1;
    this.#concurrency = options.concurrency ?? (this.#maxBatch > 1 ? 1 : (options.prefetch ?? defaultPrefetch));
  }

  accept(received: R): void {
    if (this.#stopping.signal.aborted) return this.#settle([{ received, outcome: 'return' }]);
    this.#waiting.push(received);
    this.#schedule();
  }

  /** Takes no more, hands back what waits, resolves when the running handlers have been settled. */
  async drain(): Promise<void> {
    this.#stopping.abort();
    this.#settle(this.#waiting.splice(0).map((received) => ({ received, outcome: 'return' })));
    while (this.#running.size > 0) await Promise.all(this.#running);
    const retrying = [...this.#retrying.keys()];
    this.#forgetRetries();
    this.#settle(retrying.map((received) => ({ received, outcome: 'retry' })));
  }

  /** The channel is gone: settles nothing from now on, resolves when the running handlers have returned. */
  async abandon(): Promise<void> {
    this.#abandoned = true;
    this.#stopping.abort();
    this.#waiting.length = 0;
    this.#forgetRetries();
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  /** One turn of the event loop later, so that deliveries which arrive together are batched together. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#start();
    });
  }

  #start(): void {
    while (this.#waiting.length > 0 && this.#running.size < this.#concurrency) {
      const batch = this.#waiting.splice(0, this.#maxBatch);
      const run = this.#run(batch).finally(() => {
        this.#running.delete(run);
        if (this.#waiting.length > 0) this.#schedule();
      });
      this.#running.add(run);
    }
  }

  async #run(batch: readonly R[]): Promise<void> {
    const verdicts = await this.#decide(batch);
    if (this.#abandoned) return;
    const settled = batch.map((received, index) => ({ received, outcome: verdicts[index] ?? 'retry' }) as const);
    this.#settle(settled.filter(({ outcome }) => outcome !== 'retry'));
    for (const { received, outcome } of settled) if (outcome === 'retry') this.#retryLater(received);
  }

  async #decide(batch: readonly R[]): Promise<readonly Verdict[]> {
    const deliveries = batch.map(({ delivery }) => delivery);
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await this.#handle(deliveries);
      } catch (thrown) {
        const error = toCogmeshError(thrown);
        this.#options.logger?.warn(
          { err: error, queue: this.#options.queue, deliveries: batch.length },
          'bus handler failed',
        );
        if (error.code !== 'unavailable' || !(await this.#outage(attempt))) return batch.map(() => 'retry');
      }
    }
  }

  async #handle(deliveries: readonly Delivery[]): Promise<readonly Verdict[]> {
    const verdicts = await this.#handler(deliveries);
    if (verdicts.length === deliveries.length) return verdicts;
    throw new CogmeshError(
      'internal',
      `a handler answered ${verdicts.length} verdicts for ${deliveries.length} deliveries`,
    );
  }

  /** Waits out a moment of an outage; false when the consumer is stopping. */
  async #outage(attempt: number): Promise<boolean> {
    const { signal } = this.#stopping;
    return delay(backoffMs(attempt), true, { signal }).catch(() => false);
  }

  #retryLater(received: R): void {
    const waitMs = backoffMs(received.attempt, this.#options.retryDelayMs ?? backoff.firstMs);
    const timer = setTimeout(() => {
      this.#retrying.delete(received);
      this.#settle([{ received, outcome: 'retry' }]);
    }, waitMs);
    this.#retrying.set(received, timer);
  }

  #forgetRetries(): void {
    for (const timer of this.#retrying.values()) clearTimeout(timer);
    this.#retrying.clear();
  }

  #settle(settled: readonly Settled<R>[]): void {
    if (settled.length > 0 && !this.#abandoned) this.#options.settle(settled);
  }
}
