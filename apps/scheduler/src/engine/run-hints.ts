/** `run.changed.v1` on the bus: coalesced per run, sent at most every 50 ms, lost without harm. */
import { messageTo, type Bus, type Exchange } from '@cogmesh/bus';
import { eventsV1 } from '@cogmesh/contracts';
import type { Logger } from '@cogmesh/telemetry';
import type { Effects } from './effects.js';

const intervalMs = 50;
/** Runs remembered between two sends; more than that and the oldest hints are dropped. */
const maxPending = 10_000;

export const schedulerEvents: Exchange = { name: 'scheduler.events', type: 'topic' };

export class RunHints {
  readonly #bus: Bus;
  readonly #logger: Logger;
  readonly #pending = new Map<string, { organisation: string; sequence: number }>();
  #timer: NodeJS.Timeout | undefined;

  constructor(bus: Bus, logger: Logger) {
    this.#bus = bus;
    this.#logger = logger;
  }

  accept({ changed }: Pick<Effects, 'changed'>): void {
    for (const [runId, change] of changed) if (this.#pending.size < maxPending) this.#pending.set(runId, change);
    if (this.#pending.size > 0) this.#timer ??= setTimeout(() => void this.#send(), intervalMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#pending.clear();
  }

  async #send(): Promise<void> {
    this.#timer = undefined;
    const messages = [...this.#pending].map(([runId, { organisation, sequence }]) =>
      messageTo({ exchange: schedulerEvents, routingKey: 'run.changed.v1' }, eventsV1.RunChangedSchema, {
        runId,
        organisation,
        sequence: BigInt(sequence),
      }),
    );
    this.#pending.clear();
    await this.#bus
      .publish(messages)
      .catch((error: unknown) => this.#logger.debug({ err: error }, 'run hints were not sent'));
  }
}
