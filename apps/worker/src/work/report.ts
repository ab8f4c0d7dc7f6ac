/**
 * What the worker tells the scheduler: attempts that began and results. What is said within one turn of the event loop goes
 * out as one message. Each promise means that the broker has it; while the broker or the scheduler's queues are away it
 * tries again.
 */
import { AsyncResource } from 'node:async_hooks';
import type { DescMessage, MessageInitShape } from '@bufbuild/protobuf';
import { messageTo, type Bus } from '@cogmesh/bus';
import { workV1 } from '@cogmesh/contracts';
import { untilReachable } from './until-reachable.js';

export type StartedInit = MessageInitShape<typeof workV1.StartedSchema>;
export type ResultInit = MessageInitShape<typeof workV1.ResultSchema>;

/** Results in one message; with outputs of up to 64 KiB a message stays under 4 MiB. */
const maxPerMessage = 50;

const outages = new Set(['unavailable', 'overloaded', 'not_found', 'timeout']);

export class Report {
  private readonly startedMail: Coalescing<StartedInit>;
  private readonly resultMail: Coalescing<ResultInit>;

  constructor(bus: Bus, signal: AbortSignal) {
    const send =
      <S extends DescMessage>(queue: string, schema: S) =>
      (value: MessageInitShape<S>): Promise<void> =>
        untilReachable(() => bus.publish([messageTo({ queue }, schema, value)]), {
          signal,
          isOutage: ({ code }) => outages.has(code),
        });
    const sendStarted = send('scheduler.started', workV1.StartedBatchSchema);
    const sendResults = send('scheduler.results', workV1.ResultBatchSchema);
    this.startedMail = new Coalescing((started) => sendStarted({ started }));
    this.resultMail = new Coalescing((results) => sendResults({ results }));
  }

  started(started: StartedInit): Promise<void> {
    return this.startedMail.add(started);
  }

  result(result: ResultInit): Promise<void> {
    return this.resultMail.add(result);
  }
}

class Coalescing<T> {
  private items: T[] = [];
  private sending: Promise<void> | undefined;
  /** A message serves many runs, so it is sent in nobody's trace. */
  private readonly schedule: (flush: () => void) => void;

  constructor(private readonly send: (items: T[]) => Promise<void>) {
    this.schedule = AsyncResource.bind((flush: () => void) => void setImmediate(flush));
  }

  add(item: T): Promise<void> {
    this.items.push(item);
    this.sending ??= new Promise((resolve, reject) => {
      this.schedule(() => this.flush().then(resolve, reject));
    });
    return this.sending;
  }

  private async flush(): Promise<void> {
    const items = this.items;
    this.items = [];
    this.sending = undefined;
    for (let at = 0; at < items.length; at += maxPerMessage) await this.send(items.slice(at, at + maxPerMessage));
  }
}
