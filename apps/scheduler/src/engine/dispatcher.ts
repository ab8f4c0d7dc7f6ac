/**
 * The loop that turns ready tasks into claimed and published work. Its order and credits live in memory and are rebuilt
 * from the database at start and after any doubt; the claim transaction decides, so memory may be wrong but never harmful.
 */
import type { FairOrder } from '@cogmesh/scheduling-core';
import { toCogmeshError } from '@cogmesh/errors';
import type { Logger } from '@cogmesh/telemetry';
import type { ReadyEntry } from '../model/rows.js';
import { Backoff } from './backoff.js';
import type { Claims } from './claims.js';
import type { Controls } from './controls.js';
import type { Deferrals } from './deferrals.js';
import type { Effects } from './effects.js';
import type { Credits } from './credits.js';
import type { Publisher } from './publisher.js';
import type { Recovery } from './recovery.js';
import { Signal } from './signal.js';
import type { Targets } from './targets.js';

export interface DispatcherOptions {
  readonly order: FairOrder<ReadyEntry>;
  readonly controls: Controls;
  readonly claims: Claims;
  readonly targets: Targets;
  readonly credits: Credits;
  readonly publisher: Publisher;
  readonly recovery: Recovery;
  readonly deferrals: Deferrals;
  readonly claimBatch: number;
  readonly logger: Logger;
}

export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #signal = new Signal();
  readonly #backoff = new Backoff();
  #doubt = true;
  #stopped = false;
  #loop: Promise<void> | undefined;

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop = this.#run();
  }

  /** Stops claiming; what was claimed is published or stays in its row. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#options.deferrals.stop();
    this.#signal.set();
    await this.#loop;
    await this.#options.publisher.stop();
  }

  wake(): void {
    this.#signal.set();
  }

  /** Memory may differ from the database: rebuild it before the next claim. */
  doubt(): void {
    this.#doubt = true;
    this.#signal.set();
  }

  /** Memory agrees with the database as far as is known. */
  get isSettled(): boolean {
    return !this.#doubt;
  }

  accept(effects: Effects): void {
    const { order, controls, credits } = this.#options;
    for (const attemptId of effects.freed) credits.release(attemptId);
    for (const entry of effects.ready) {
      if (effects.handedBack.has(entry.key)) this.#options.deferrals.defer(entry.key, () => this.offer(entry));
      else this.offer(entry);
    }
    // After the ready ones: a task may become ready and be cancelled by one transaction.
    for (const key of effects.unready) {
      order.remove(key);
      controls.forget(key);
    }
    for (const ref of effects.aggregate) controls.join(ref);
    for (const runId of effects.finalise) controls.finish(runId);
    for (const runId of effects.answered) controls.answer(runId);
    for (const runId of effects.orphaned) controls.endOrphan(runId);
    for (const entry of effects.reprioritised) {
      if (!order.reprioritise(entry.key, entry.priority)) controls.reprioritise(entry);
    }
    this.#signal.set();
  }

  offer(entry: ReadyEntry): void {
    if (entry.control) this.#options.controls.precede(entry);
    else this.#options.order.add(entry);
    this.#signal.set();
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      let restMs: number | undefined;
      try {
        const isDone = await this.#pass();
        if (isDone) this.#backoff.succeeded();
        else restMs = this.#backoff.next();
      } catch (thrown) {
        restMs = this.#backoff.next();
        const error = toCogmeshError(thrown);
        this.#options.logger.warn({ code: error.code, err: error, restMs }, `dispatching rests: ${error.message}`);
      }
      if (!this.#stopped) await this.#rest(restMs);
    }
  }

  /** After a failure the loop rests its time out, whatever wakes it. */
  async #rest(restMs: number | undefined): Promise<void> {
    if (restMs === undefined) return this.#signal.wait();
    const until = Date.now() + restMs;
    for (let left = restMs; left > 0 && !this.#stopped; left = until - Date.now()) await this.#signal.wait(left);
  }

  async #pass(): Promise<boolean> {
    const { controls, recovery } = this.#options;
    if (this.#doubt) {
      this.#doubt = false;
      await recovery
        .rebuild((entry) => this.offer(entry))
        .catch((error: unknown) => {
          this.#doubt = true;
          throw error;
        });
    }
    while (!this.#stopped) {
      if (!controls.isEmpty && !(await controls.step())) return false;
      const claimed = await this.#claim();
      if (claimed === 0 && controls.isEmpty) return true;
    }
    return true;
  }

  async #claim(): Promise<number> {
    const { order, targets, claims, publisher, claimBatch } = this.#options;
    if (publisher.isBlocked) return 0;
    const taken = claims.begin();
    order.take(
      claimBatch,
      (uses) => targets.hasRoom(uses),
      (entry) => taken.add(entry),
    );
    return taken.size === 0 ? 0 : claims.commit(taken);
  }
}
