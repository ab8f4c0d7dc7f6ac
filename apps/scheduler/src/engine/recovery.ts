/**
 * Rebuilds the memory beside the database: the ready order, credits in use, unfinished steps. Claims that nobody is
 * publishing are published again under the same attempt ids; on a bus that forgets, published work is taken back.
 */
import type { TaskRow, ReadyEntry } from '../model/rows.js';
import type { HeldAttempt, SqlWorkQueue } from '../adapters/sql-work-queue.js';
import type { Claims } from './claims.js';
import type { Controls } from './controls.js';
import type { Credits } from './credits.js';
import type { Engine } from './engine.js';
import type { Limits } from './limits.js';
import type { Publisher } from './publisher.js';
import type { QueuedTasks } from './queued-tasks.js';
import { takeBack } from './take-back.js';

export interface RecoveryOptions {
  readonly engine: Engine;
  readonly queue: SqlWorkQueue;
  readonly credits: Credits;
  readonly controls: Controls;
  readonly claims: Claims;
  readonly publisher: Publisher;
  readonly limits: Limits;
  readonly queued: QueuedTasks;
  readonly busIsDurable: boolean;
  readonly leaseMs: number;
}

export class Recovery {
  readonly #options: RecoveryOptions;
  #isFirst = true;

  constructor(options: RecoveryOptions) {
    this.#options = options;
  }

  async rebuild(offer: (entry: ReadyEntry) => void): Promise<void> {
    const { engine, queue, credits, controls, publisher, limits, queued, leaseMs } = this.#options;
    await limits.load();
    const held = await engine.lane.run(async () => {
      // Renewals could not arrive while we were away.
      await queue.restartLeases(leaseMs);
      const rows = await queue.held();
      credits.rebuild(rows, publisher.publishing());
      await queued.rebuild(() => queue.openTasks());
      const { aggregate, finalise, answered, orphaned } = await queue.unsettled();
      for (const entry of await queue.ready()) offer(entry);
      for (const ref of aggregate) controls.join(ref);
      for (const runId of finalise) controls.finish(runId);
      for (const runId of answered) controls.answer(runId);
      for (const runId of orphaned) controls.endOrphan(runId);
      return rows;
    });
    await this.#settlePublished(held);
    await this.#publishClaimed(held);
    this.#isFirst = false;
  }

  /** What a bus that forgets may have lost. */
  async #settlePublished(held: readonly HeldAttempt[]): Promise<void> {
    if (!this.#isFirst || this.#options.busIsDurable) return;
    await takeBack(
      this.#options.engine,
      held.filter((attempt) => attempt.state === 'PUBLISHED'),
      'returned',
    );
  }

  async #publishClaimed(held: readonly HeldAttempt[]): Promise<void> {
    const { engine, claims, publisher } = this.#options;
    const claimed = held.filter(
      ({ state, attemptId }) => state === 'CLAIMED' && !publisher.publishing().has(attemptId),
    );
    if (claimed.length === 0) return;
    const rows = await engine.transact(
      claimed.map((attempt) => attempt.runId),
      async (unit) => (await unit.loadHeld(claimed.map((attempt) => attempt.attemptId))).map((row) => ({ ...row })),
    );
    await claims.publishAgain(
      rows.filter((row): row is TaskRow & { attemptId: string } => row.state === 'CLAIMED' && row.attemptId !== null),
    );
  }
}
