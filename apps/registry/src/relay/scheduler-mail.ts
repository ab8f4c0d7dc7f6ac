/** What the registry tells the scheduler on behalf of SDK agents. Each promise means: the broker has it. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { messageTo, type Bus } from '@cogmesh/bus';
import { workV1 } from '@cogmesh/contracts';
import { untilDone } from './until-done.js';

export type ProgressInit = MessageInitShape<typeof workV1.ProgressSchema>;
export type StartedInit = MessageInitShape<typeof workV1.StartedSchema>;
export type ResultInit = MessageInitShape<typeof workV1.ResultSchema>;

export class SchedulerMail {
  readonly #bus: Bus;
  readonly #signal: AbortSignal;

  /** `signal`: give up, because the registry leaves. */
  constructor(bus: Bus, signal: AbortSignal) {
    this.#bus = bus;
    this.#signal = signal;
  }

  started(started: StartedInit, traceparent: string): Promise<void> {
    const message = messageTo(
      { queue: 'scheduler.started' },
      workV1.StartedBatchSchema,
      { started: [started] },
      headersOf(traceparent),
    );
    return untilDone(() => this.#bus.publish([message]), this.#signal);
  }

  /** Tried once: a newer word will follow. */
  progress(progress: readonly ProgressInit[]): Promise<void> {
    const batch = { progress: [...progress] };
    return this.#bus.publish([messageTo({ queue: 'scheduler.started' }, workV1.StartedBatchSchema, batch)]);
  }

  result(result: ResultInit, traceparent: string): Promise<void> {
    const message = messageTo(
      { queue: 'scheduler.results' },
      workV1.ResultBatchSchema,
      { results: [result] },
      headersOf(traceparent),
    );
    return untilDone(() => this.#bus.publish([message]), this.#signal);
  }
}

const headersOf = (traceparent: string) => (traceparent === '' ? {} : { headers: { traceparent } });
