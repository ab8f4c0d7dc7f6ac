/**
 * Once an hour, and at the start: makes room for the days to come and removes what ended long enough ago. It rests between
 * its steps for longer than they take, so that whoever stores decisions hardly notices; a pass that is stopped is gone on
 * with by the next one. Of several schedulers one does it.
 */
import { toCogmeshError } from '@cogmesh/errors';
import type { Logger } from '@cogmesh/telemetry';
import type { SqlRetention } from '../adapters/sql-retention.js';
import { Signal } from '../engine/signal.js';

export interface RetentionOptions {
  readonly table: SqlRetention;
  /** History, firings and deliveries older than this go, days; 0 keeps them for ever. */
  readonly historyDays: number;
  /** Runs that finished longer ago than this go with their tasks, days; 0 keeps them for ever. */
  readonly runDays: number;
  readonly isResponsible: () => boolean;
  readonly logger: Logger;
}

/** Between two passes, milliseconds. */
const everyMs = 3_600_000;
/** Between two tries when something was in the way, or somebody else is responsible, milliseconds. */
const soonMs = 60_000;
/** Before the first one: a start has other things to do, milliseconds. */
const firstMs = 5_000;
/** A rest is so many times as long as the step before it took, and at least so long, milliseconds. */
const [restPerWork, minRestMs] = [4, 5];

const dayMs = 86_400_000;

/** What one pass removed. */
export interface Removed {
  /** Entries; whole days where there are days. */
  readonly history: number;
  readonly firings: number;
  readonly deliveries: number;
  readonly runs: number;
}

export class RetentionLoop {
  readonly #options: RetentionOptions;
  readonly #signal = new Signal();
  #isStopped = false;
  #loop: Promise<void> | undefined;
  #stepBegan = 0;

  constructor(options: RetentionOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#signal.set();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { isResponsible, logger } = this.#options;
    await this.#signal.wait(firstMs);
    while (!this.#isStopped) {
      let restMs = soonMs;
      try {
        if (isResponsible() && (await this.#prepare())) restMs = await this.#passed();
      } catch (thrown) {
        const error = toCogmeshError(thrown);
        logger.warn({ code: error.code, err: error }, `what ended long ago stays a little longer: ${error.message}`);
      }
      if (!this.#isStopped) await this.#signal.wait(restMs);
    }
  }

  /** Answers how long to rest, milliseconds. */
  async #passed(): Promise<number> {
    const removed = await this.pass();
    const hasRemoved = Object.values(removed).some((count) => count > 0);
    if (hasRemoved) this.#options.logger.info({ ...removed }, 'removed what ended long ago');
    return everyMs;
  }

  async #prepare(): Promise<boolean> {
    const { table } = this.#options;
    return table.prepare(await table.now());
  }

  /** Everything that is to go now. */
  async pass(): Promise<Removed> {
    const { table, historyDays, runDays } = this.#options;
    const now = await table.now();
    const removed = { history: 0, firings: 0, deliveries: 0, runs: 0 };
    const rest = (): Promise<boolean> => this.#rest();
    this.#stepBegan = performance.now();
    if (historyDays > 0) {
      const horizon = now - historyDays * dayMs;
      removed.history = await table.dropHistory(horizon, rest);
      removed.firings = await table.dropFirings(horizon, rest);
      removed.deliveries = await table.dropDeliveries(horizon, rest);
    }
    if (runDays > 0) removed.runs = await table.dropRuns(now - runDays * dayMs, rest);
    return removed;
  }

  /** False when this is not to go on. */
  async #rest(): Promise<boolean> {
    const goesOn = (): boolean => !this.#isStopped && this.#options.isResponsible();
    if (!goesOn()) return false;
    const tookMs = performance.now() - this.#stepBegan;
    await this.#signal.wait(Math.max(minRestMs, tookMs * restPerWork));
    this.#stepBegan = performance.now();
    return goesOn();
  }
}
