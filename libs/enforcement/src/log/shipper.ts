/**
 * Takes records from the spool to the policy service, one message at a time and in order, until it says that they are durable. A message
 * that may or may not have arrived is sent again: the service knows by spool and sequence what it has.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { CogmeshError, toCogmeshError } from '@cogmesh/errors';
import type { Logger } from '@cogmesh/telemetry';
import { batchRecordsMax, lastShipMs, shipBackoffMaxMs, shipBackoffMinMs } from './limits.js';
import type { SpooledRecord } from './segment.js';
import type { Spool } from './spool.js';
import type { SpoolBatch } from './spool-reader.js';

export interface DecisionBatch {
  readonly spoolId: string;
  /** Sequence up to which the sender knows everything to be accepted. */
  readonly after: number;
  readonly records: readonly SpooledRecord[];
}

/**
 * Takes a batch, and answers the highest sequence of the spool that is durable. Rejects with `conflict` and `accepted` in
 * the details when it does not have everything up to `after`.
 */
export type ShipDecisions = (batch: DecisionBatch, signal: AbortSignal) => Promise<number>;

export interface ShipperOptions {
  readonly spool: Spool;
  readonly ship: ShipDecisions;
  /** Between two messages that are not full, milliseconds. */
  readonly everyMs: number;
  readonly logger: Logger;
}

export class Shipper {
  readonly #options: ShipperOptions;
  readonly #stopping = new AbortController();
  /** By spool, what the service has confirmed. */
  readonly #accepted = new Map<string, number>();
  #running: Promise<void> | undefined;
  #wake: (() => void) | undefined;
  #isTold = false;

  constructor(options: ShipperOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** There are new records. */
  poke(): void {
    this.#isTold = true;
    this.#wake?.();
  }

  /** Ships what is there, as long as that works and takes no longer than a moment. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wake?.();
    await this.#running;
    const signal = AbortSignal.timeout(lastShipMs);
    try {
      while (!signal.aborted && (await this.#shipOne(signal)) > 0);
    } catch (thrown) {
      this.#options.logger.debug({ err: thrown }, 'the rest of the decision log is shipped at the next start');
    }
  }

  async #run(): Promise<void> {
    const { everyMs, logger } = this.#options;
    const { signal } = this.#stopping;
    let backoffMs = 0;
    while (!signal.aborted) {
      try {
        this.#isTold = false;
        const shipped = await this.#shipOne(signal);
        backoffMs = 0;
        if (shipped === 0) await this.#told();
        else if (shipped < batchRecordsMax) await pause(everyMs, signal);
      } catch (thrown) {
        if (signal.aborted) return;
        if (backoffMs === 0) logger.warn({ err: thrown }, 'decisions cannot be shipped now; they are kept here');
        backoffMs = Math.min(Math.max(backoffMs * 2, shipBackoffMinMs), shipBackoffMaxMs);
        await pause(backoffMs, signal);
      }
    }
  }

  /** How many records were shipped. */
  async #shipOne(signal: AbortSignal): Promise<number> {
    const { spool } = this.#options;
    const batch = await spool.read();
    if (batch === undefined) return 0;
    const accepted = await this.#send(batch, signal);
    this.#accepted.set(batch.spoolId, accepted);
    await spool.accept(batch);
    return batch.records.length;
  }

  async #send(batch: SpoolBatch, signal: AbortSignal): Promise<number> {
    const { spoolId, records } = batch;
    const after = this.#accepted.get(spoolId) ?? 0;
    try {
      return await this.#options.ship({ spoolId, after, records }, signal);
    } catch (thrown) {
      const accepted = acceptedInstead(thrown);
      if (accepted === undefined) throw thrown;
      // It has less than it once confirmed: from the oldest record that is still here.
      this.#options.logger.error(
        { spoolId, after, accepted },
        'the policy service has lost decisions it had confirmed',
      );
      this.#accepted.set(spoolId, accepted);
      this.#options.spool.rewind();
      throw thrown;
    }
  }

  /** Until there is something new, or the end. */
  async #told(): Promise<void> {
    if (this.#isTold || this.#stopping.signal.aborted) return;
    await new Promise<void>((resolve) => (this.#wake = resolve));
    this.#wake = undefined;
  }
}

function acceptedInstead(thrown: unknown): number | undefined {
  if (!(thrown instanceof CogmeshError) || thrown.code !== 'conflict') return undefined;
  const accepted = Number(toCogmeshError(thrown).details['accepted']);
  return Number.isSafeInteger(accepted) && accepted >= 0 ? accepted : undefined;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return delay(ms, undefined, { signal, ref: false }).catch(() => undefined);
}
