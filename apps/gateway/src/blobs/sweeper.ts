import type { BlobStore } from '@cogmesh/blobs';
import type { Logger } from '@cogmesh/telemetry';
import type { BlobRecords } from './blob-records.js';
import { sweepBlobs } from './sweep.js';

export interface BlobSweeperOptions {
  readonly records: BlobRecords;
  readonly store: BlobStore;
  readonly everyMs: number;
  readonly logger: Logger;
}

/** Sweeps now and then, one sweep at a time. A failed sweep is logged; the next one does its work. */
export class BlobSweeper {
  readonly #options: BlobSweeperOptions;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(options: BlobSweeperOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.#running = this.#running.then(() => this.#sweep());
    }, this.#options.everyMs).unref();
  }

  /** Waits for the sweep in progress. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }

  async #sweep(): Promise<void> {
    const { records, store, logger } = this.#options;
    try {
      const swept = await sweepBlobs(records, store, Date.now());
      if (swept.expired + swept.orphans > 0) logger.info(swept, 'blobs swept');
    } catch (thrown) {
      logger.error({ err: thrown }, 'blobs could not be swept');
    }
  }
}
