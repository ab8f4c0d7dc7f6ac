/**
 * What the registry tells the scheduler on behalf of SDK agents. Each promise means: the broker has it. Words that come while
 * a message is being confirmed share the next one.
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { messageTo, type Bus } from '@cogmesh/bus';
import { workV1 } from '@cogmesh/contracts';
import { Together } from './together.js';
import { untilDone } from './until-done.js';

export type ProgressInit = MessageInitShape<typeof workV1.ProgressSchema>;
export type StartedInit = MessageInitShape<typeof workV1.StartedSchema>;
export type ResultInit = MessageInitShape<typeof workV1.ResultSchema>;

/** The contract's limit on one StartedBatch or ResultBatch. */
const maxBatch = 100;
/** Bytes of outputs in one message; a single output has at most 64 KiB. */
const maxBatchBytes = 1024 * 1024;

interface Letter<T> {
  readonly word: T;
  readonly traceparent: string;
}

export class SchedulerMail {
  readonly #bus: Bus;
  readonly #started: Together<Letter<StartedInit>>;
  readonly #results: Together<Letter<ResultInit>>;

  /** `signal`: give up, because the registry leaves. */
  constructor(bus: Bus, signal: AbortSignal) {
    this.#bus = bus;
    this.#started = new Together({
      maxItems: maxBatch,
      write: (letters) => {
        const batch = { started: letters.map(({ word }) => word) };
        const message = messageTo({ queue: 'scheduler.started' }, workV1.StartedBatchSchema, batch, headersOf(letters));
        return untilDone(() => bus.publish([message]), signal);
      },
    });
    this.#results = new Together({
      maxItems: maxBatch,
      maxWeight: maxBatchBytes,
      weigh: ({ word: { outcome } }) => (outcome?.case === 'outputJson' ? outcome.value.length : 0),
      write: (letters) => {
        const batch = { results: letters.map(({ word }) => word) };
        const message = messageTo({ queue: 'scheduler.results' }, workV1.ResultBatchSchema, batch, headersOf(letters));
        return untilDone(() => bus.publish([message]), signal);
      },
    });
  }

  started(word: StartedInit, traceparent: string): Promise<void> {
    return this.#started.write({ word, traceparent });
  }

  /** Tried once: a newer word will follow. */
  progress(progress: readonly ProgressInit[]): Promise<void> {
    const batch = { progress: [...progress] };
    return this.#bus.publish([messageTo({ queue: 'scheduler.started' }, workV1.StartedBatchSchema, batch)]);
  }

  result(word: ResultInit, traceparent: string): Promise<void> {
    return this.#results.write({ word, traceparent });
  }
}

/** A message is part of the first attempt's trace; the others have spans of their own. */
function headersOf([first]: readonly Letter<unknown>[]) {
  return first === undefined || first.traceparent === '' ? {} : { headers: { traceparent: first.traceparent } };
}
