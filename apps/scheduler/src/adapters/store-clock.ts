/**
 * The engine's clock: the database's time, kept by this process's monotonic clock between two looks at it. Every replica so
 * tells the same time whatever its host believes, and no decision waits for an answer. A step of the host's clock moves
 * nothing; the database's own drift is followed at each look, forwards at once and backwards by standing still.
 */
import type { Database } from '@cogmesh/database';
import { toCogmeshError } from '@cogmesh/errors';
import type { Clock } from '@cogmesh/scheduling-core';
import type { Logger } from '@cogmesh/telemetry';

/** Time between two looks, milliseconds. */
const lookEveryMs = 30_000;

export class StoreClock implements Clock {
  readonly #database: Pick<Database, 'now'>;
  readonly #logger: Logger;
  readonly #waiting = new Set<NodeJS.Timeout>();
  /** Database time when the monotonic clock said zero. */
  #offsetMs = Date.now() - performance.now();
  #last = 0;
  #looking: NodeJS.Timeout | undefined;

  constructor(database: Pick<Database, 'now'>, logger: Logger) {
    this.#database = database;
    this.#logger = logger;
  }

  /** Looks now, and from then on at times. Rejects when the database does not answer. */
  async start(): Promise<void> {
    await this.look();
    this.#looking = setInterval(() => void this.look().catch((error: unknown) => this.#complain(error)), lookEveryMs);
    this.#looking.unref();
  }

  /** Half of the round trip is taken for the way back. */
  async look(): Promise<void> {
    const asked = performance.now();
    const time = await this.#database.now();
    this.#offsetMs = time - (asked + performance.now()) / 2;
  }

  now(): number {
    this.#last = Math.max(this.#last, Math.floor(this.#offsetMs + performance.now()));
    return this.#last;
  }

  after(ms: number, call: () => void): () => void {
    const timer = setTimeout(() => {
      this.#waiting.delete(timer);
      call();
    }, ms);
    this.#waiting.add(timer);
    return () => {
      this.#waiting.delete(timer);
      clearTimeout(timer);
    };
  }

  soon(call: () => void): void {
    setImmediate(call);
  }

  /** Nothing is called any more. */
  stop(): void {
    clearInterval(this.#looking);
    for (const timer of this.#waiting) clearTimeout(timer);
    this.#waiting.clear();
  }

  #complain(thrown: unknown): void {
    const error = toCogmeshError(thrown);
    this.#logger.debug({ code: error.code }, `the database did not tell its time: ${error.message}`);
  }
}
