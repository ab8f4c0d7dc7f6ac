/** Hears of runs that other schedulers move while there are any, so that whoever watches such a run here need not poll. */
import type { Bus, Consumer } from '@cogmesh/bus';
import { toCogmeshError } from '@cogmesh/errors';
import type { Logger } from '@cogmesh/telemetry';
import type { RunNotifier } from '../engine/run-notifier.js';
import { onRunChanged, runChangedQueue } from '../events/on-run-changed.js';

export class WatchedRuns {
  readonly #bus: Bus;
  readonly #notifier: RunNotifier;
  readonly #logger: Logger;
  #consumer: Consumer | undefined;

  constructor(bus: Bus, notifier: RunNotifier, logger: Logger) {
    this.#bus = bus;
    this.#notifier = notifier;
    this.#logger = logger;
  }

  /** Never rejects; called again, it tries again. Not from two places at once. */
  async follow(hasOthers: boolean): Promise<void> {
    try {
      if (!hasOthers) await this.stop();
      else this.#consumer ??= await this.#bus.consume(runChangedQueue, onRunChanged(this.#notifier), { maxBatch: 100 });
    } catch (thrown) {
      this.#logger.debug({ err: toCogmeshError(thrown) }, 'runs of other schedulers are polled');
    }
  }

  async stop(): Promise<void> {
    const consumer = this.#consumer;
    this.#consumer = undefined;
    await consumer?.stop();
  }
}
