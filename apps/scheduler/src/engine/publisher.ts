/**
 * Hands claimed work to the broker. The claim is the outbox: a batch is published until the broker has confirmed it, under
 * the same attempt ids, unless its attempts have left the claim meanwhile (cancelled, expired). While the broker is down the
 * publisher says so and nothing new is claimed.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Bus } from '@cogmesh/bus';
import { toCogmeshError, type ErrorCode } from '@cogmesh/errors';
import { takeBack, type Engine, type Publication, type Publisher } from '@cogmesh/scheduling-core';
import type { Logger } from '@cogmesh/telemetry';
import { beginDispatch, isTraced, unsampled, type DispatchSpan } from './attempt-spans.js';
import { Backoff } from './backoff.js';
import { batchesOf, queueNameOf, workMessage, type ClaimedWork, type GrantMinter } from './work-message.js';

/** Time in which a result makes the note "published" needless, milliseconds; until then the row says CLAIMED. */
const noteAfterMs = 25;

interface Outgoing extends ClaimedWork {
  readonly span: DispatchSpan | undefined;
}

export interface BrokerPublisherOptions {
  readonly bus: Bus;
  readonly minter: GrantMinter;
  readonly engine: Engine;
  readonly logger: Logger;
  /** Declares a shared queue before its first use. */
  readonly declareShared: (queue: string) => Promise<void>;
  /** Called when the broker answers again. */
  readonly onUnblocked: () => void;
}

export class BrokerPublisher implements Publisher {
  readonly #options: BrokerPublisherOptions;
  readonly #publishing = new Set<string>();
  readonly #running = new Set<Promise<void>>();
  readonly #traces = new Map<string, string>();
  readonly #stopping = new AbortController();
  #confirmed: Outgoing[] = [];
  #blocked = 0;
  #stopped = false;

  constructor(options: BrokerPublisherOptions) {
    this.#options = options;
  }

  /** The broker does not take messages now. */
  get isBlocked(): boolean {
    return this.#blocked > 0;
  }

  /** Attempts that are being published. */
  publishing(): ReadonlySet<string> {
    return this.#publishing;
  }

  /** Traceparent of the dispatch span of an attempt whose row does not hold it yet. */
  traceOf(attemptId: string): string | undefined {
    return this.#traces.get(attemptId);
  }

  /** Publishes in the background. */
  send(publications: readonly Publication[]): void {
    const works = publications.map(outgoing);
    for (const { row, traceparent } of works) {
      this.#publishing.add(row.attemptId);
      this.#traces.set(row.attemptId, traceparent);
    }
    for (const batch of batchesOf(works)) this.#track(this.#sendBatch(batch));
  }

  /** Gives up on what is not confirmed (the rows stay CLAIMED and are published after the next start) and waits. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#stopping.abort();
    await Promise.all(this.#running);
  }

  #track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#running.delete(tracked));
    this.#running.add(tracked);
  }

  async #sendBatch(batch: readonly Outgoing[]): Promise<void> {
    try {
      await this.#publishUntilConfirmed(batch);
    } catch (error) {
      this.#options.logger.error({ err: error }, 'publishing claimed work failed');
      for (const { span } of batch) span?.end(error);
    } finally {
      for (const { row } of batch) {
        this.#publishing.delete(row.attemptId);
        this.#traces.delete(row.attemptId);
      }
    }
  }

  async #publishUntilConfirmed(batch: readonly Outgoing[]): Promise<void> {
    const backoff = new Backoff();
    let isBlocking = false;
    const unblock = (): void => {
      if (!isBlocking) return;
      isBlocking = false;
      this.#blocked -= 1;
      if (this.#blocked === 0) this.#options.onUnblocked();
    };
    try {
      for (let left = this.#stillHeld(batch); left.length > 0 && !this.#stopped; left = this.#stillHeld(left)) {
        const failure = await this.#tryOnce(left);
        if (failure === undefined) return await this.#confirm(left);
        if (failure === 'not_found') return await this.#takeBack(left);
        if (failure === 'unavailable' && !isBlocking) {
          this.#blocked += 1;
          isBlocking = true;
        }
        await delay(backoff.next());
      }
      for (const { span } of batch) span?.end();
    } finally {
      unblock();
    }
  }

  #stillHeld(batch: readonly Outgoing[]): Outgoing[] {
    return batch.filter(({ row }) => this.#options.engine.attempt(row.attemptId) !== undefined);
  }

  async #tryOnce(batch: readonly Outgoing[]): Promise<ErrorCode | undefined> {
    const { bus, minter, logger } = this.#options;
    try {
      const [first] = batch;
      if (first?.target.queue !== undefined) await this.#options.declareShared(first.target.queue);
      await bus.publish([await workMessage(batch, minter)]);
      return undefined;
    } catch (thrown) {
      const error = toCogmeshError(thrown);
      const queue = batch[0] && queueNameOf(batch[0].target);
      logger.warn({ code: error.code, queue, attempts: batch.length }, `work was not published: ${error.message}`);
      return error.code;
    }
  }

  /** Attempts that have a result by then need no note; the others are noted together. */
  async #confirm(batch: readonly Outgoing[]): Promise<void> {
    for (const { span } of batch) span?.end();
    await delay(noteAfterMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
    const unnoted = this.#stillHeld(batch).filter(
      ({ row }) => this.#options.engine.attempt(row.attemptId)?.state === 'CLAIMED',
    );
    const isFirst = this.#confirmed.length === 0;
    this.#confirmed.push(...unnoted);
    if (!isFirst || this.#confirmed.length === 0) return;
    // What is confirmed while a flush is under way is noted by the one after it, whatever became of the first.
    await this.#options.engine.stored().catch(() => undefined);
    const confirmed = this.#confirmed;
    this.#confirmed = [];
    await this.#options.engine.transact(runsOf(confirmed), (unit) => {
      for (const { row, traceparent } of confirmed) {
        const task = unit.held(row.attemptId);
        if (task?.state === 'CLAIMED') unit.move(task, 'published', { dueAt: task.dueAt, traceparent });
      }
    });
  }

  /** The agent's queue is gone: back to READY, uncounted. */
  async #takeBack(batch: readonly Outgoing[]): Promise<void> {
    for (const { span } of batch) span?.end(new Error('the queue of the agent is gone'));
    await takeBack(this.#options.engine, batch.map(({ row }) => row), 'unroutable'); // prettier-ignore
  }
}

/** Its dispatch span begins here: what comes before is the wait in the queue. */
function outgoing(publication: Publication): Outgoing {
  const { row, run } = publication;
  const span = isTraced(row, run.totalTasks)
    ? beginDispatch({ ...row, attempt: row.attempt + 1, capability: row.capability ?? '' }, run.traceparent)
    : undefined;
  return { ...publication, span, traceparent: span?.traceparent ?? unsampled(run.traceparent) };
}

const runsOf = (works: readonly ClaimedWork[]): string[] => works.map(({ row }) => row.runId);
