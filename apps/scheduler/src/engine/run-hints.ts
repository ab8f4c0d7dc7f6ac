/**
 * `run.changed.v1` on the bus: coalesced per run, sent at most every 50 ms, lost without harm. Sent by a loop of its own, so
 * that a hint is part of nobody's trace.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { messageTo, type Bus, type Exchange } from '@cogmesh/bus';
import { eventsV1 } from '@cogmesh/contracts';
import type { Logger } from '@cogmesh/telemetry';
import type { Effects } from '@cogmesh/scheduling-core';
import { Signal } from './signal.js';

const intervalMs = 50;
/** Runs remembered between two sends; hints of further ones are dropped. */
const maxPending = 10_000;

export const schedulerEvents: Exchange = { name: 'scheduler.events', type: 'topic' };

export class RunHints {
  readonly #bus: Bus;
  readonly #logger: Logger;
  readonly #pending = new Map<string, { organisation: string; sequence: number }>();
  readonly #signal = new Signal();
  #stopped = false;
  #loop: Promise<void> | undefined;

  constructor(bus: Bus, logger: Logger) {
    this.#bus = bus;
    this.#logger = logger;
  }

  start(): void {
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#signal.set();
    await this.#loop;
  }

  accept({ changed }: Pick<Effects, 'changed'>): void {
    for (const [runId, change] of changed) if (this.#pending.size < maxPending) this.#pending.set(runId, change);
    if (changed.size > 0) this.#signal.set();
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      await this.#signal.wait();
      await this.#send();
      if (!this.#stopped) await delay(intervalMs);
    }
  }

  async #send(): Promise<void> {
    const messages = [...this.#pending].map(([runId, { organisation, sequence }]) =>
      messageTo({ exchange: schedulerEvents, routingKey: 'run.changed.v1' }, eventsV1.RunChangedSchema, {
        runId,
        organisation,
        sequence: BigInt(sequence),
      }),
    );
    this.#pending.clear();
    if (messages.length === 0) return;
    await this.#bus
      .publish(messages)
      .catch((error: unknown) => this.#logger.debug({ err: error }, 'run hints were not sent'));
  }
}
