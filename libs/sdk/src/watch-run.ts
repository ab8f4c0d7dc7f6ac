/**
 * A run's history as an async iterable over server-sent events. The stream resumes from the last event seen
 * (`Last-Event-ID`), so a broken connection neither repeats nor loses one; after `maxReconnects` failures in a row without a
 * single event it gives up with the last error. Ends after `run.done`.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { CogmeshError, errorClasses } from '@cogmesh/errors';
import type { EventSourceMessage } from 'eventsource-parser';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import { path, type HttpTransport } from './http-transport.js';
import type { ErrorView, RunState, TaskState } from './run-view.js';

export interface RunEvent {
  /** Per run, from 1, without gaps. */
  readonly sequence: number;
  readonly time: string;
  readonly type: 'run.state' | 'task.state' | 'task.progress' | 'run.done';
  readonly runState?: RunState | null;
  readonly taskId?: string | null;
  readonly taskState?: TaskState | null;
  /** forEach item the event is about. */
  readonly index?: number | null;
  readonly attempt?: number | null;
  readonly agent?: string | null;
  readonly error?: ErrorView | null;
  /** Of `task.progress`. */
  readonly data?: unknown;
}

export interface WatchOptions {
  /** Events up to this sequence number are left out. Default 0: from the beginning. */
  readonly afterSequence?: number;
  readonly signal?: AbortSignal;
  /** Silence after which the connection is taken for dead, milliseconds. Default 60,000. */
  readonly idleMs?: number;
  /** Failures in a row without an event. Default 10. */
  readonly maxReconnects?: number;
  /** First wait, milliseconds; doubles up to 5,000. Default 200. */
  readonly reconnectDelayMs?: number;
}

const MAX_RECONNECT_DELAY_MS = 5_000;
/** An event holds at most 4 KiB of progress and an error of 16 KiB of evidence. */
const MAX_EVENT_CHARACTERS = 256 * 1024;

/** How far a watch has come. */
interface Cursor {
  sequence: number;
  /** Connections in a row without an event. */
  failures: number;
  done: boolean;
}

export async function* watchRun(
  http: HttpTransport,
  runId: string,
  options: WatchOptions = {},
): AsyncGenerator<RunEvent> {
  const cursor: Cursor = { sequence: options.afterSequence ?? 0, failures: 0, done: false };
  for (;;) {
    try {
      yield* newEvents(connect(http, runId, { ...options, afterSequence: cursor.sequence }), cursor);
    } catch (thrown) {
      if (options.signal?.aborted) throw cancelled(thrown);
      if (!mayReconnect(thrown) || exhausted(cursor, options)) throw thrown;
    }
    if (cursor.done) return;
    if (exhausted(cursor, options)) {
      throw new CogmeshError('unavailable', `the events of run ${runId} keep ending early`);
    }
    await pause(cursor, options);
    cursor.failures += 1;
  }
}

/** What was not seen before, up to `run.done`. */
async function* newEvents(events: AsyncIterable<RunEvent>, cursor: Cursor): AsyncGenerator<RunEvent> {
  for await (const event of events) {
    cursor.failures = 0;
    if (event.sequence <= cursor.sequence) continue;
    cursor.sequence = event.sequence;
    cursor.done = event.type === 'run.done';
    yield event;
    if (cursor.done) return;
  }
}

const exhausted = ({ failures }: Cursor, { maxReconnects = 10 }: WatchOptions) => failures >= maxReconnects;

async function pause({ failures }: Cursor, { reconnectDelayMs = 200, signal }: WatchOptions): Promise<void> {
  const waitMs = Math.min(MAX_RECONNECT_DELAY_MS, reconnectDelayMs * 2 ** failures);
  await delay(waitMs, undefined, signal ? { signal } : {}).catch((thrown: unknown) => {
    throw cancelled(thrown);
  });
}

const cancelled = (cause: unknown) => new CogmeshError('cancelled', 'watching was cancelled', {}, { cause });

/** What we threw says itself; anything else is the transport breaking in the middle of the stream. */
function mayReconnect(thrown: unknown): boolean {
  if (thrown instanceof CogmeshError) return errorClasses[thrown.code].retryable;
  return thrown instanceof TypeError || (thrown instanceof Error && thrown.name === 'IdleError');
}

async function* connect(http: HttpTransport, runId: string, options: WatchOptions): AsyncGenerator<RunEvent> {
  const { afterSequence = 0, idleMs = 60_000, signal } = options;
  const response = await http.send({
    method: 'GET',
    path: path`/v1/runs/${runId}/events`,
    headers: { accept: 'text/event-stream', ...(afterSequence > 0 ? { 'last-event-id': String(afterSequence) } : {}) },
    repeatable: true,
    ...(signal ? { signal } : {}),
  });
  if (!response.body) return;
  const messages = response.body
    .pipeThrough(untilIdle(idleMs))
    .pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)
    .pipeThrough(new EventSourceParserStream({ maxBufferSize: MAX_EVENT_CHARACTERS }));
  for await (const message of messages) {
    const event = eventOf(message);
    if (event !== undefined) yield event;
  }
}

/** Errors the stream when no byte came for `idleMs`. */
function untilIdle(idleMs: number): TransformStream<Uint8Array, Uint8Array> {
  let timer: NodeJS.Timeout | undefined;
  const restart = (controller: TransformStreamDefaultController<Uint8Array>) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      controller.error(Object.assign(new Error(`no bytes for ${idleMs} ms`), { name: 'IdleError' }));
    }, idleMs).unref();
  };
  return new TransformStream<Uint8Array, Uint8Array>({
    start: restart,
    transform: (chunk, controller) => {
      restart(controller);
      controller.enqueue(chunk);
    },
    flush: () => clearTimeout(timer),
    cancel: () => clearTimeout(timer),
  });
}

/** Undefined for events of a later version of the contract. */
function eventOf(message: EventSourceMessage): RunEvent | undefined {
  const sequence = Number(message.id);
  if (!Number.isSafeInteger(sequence) || sequence <= 0 || message.event === undefined) return undefined;
  const data = JSON.parse(message.data) as Omit<RunEvent, 'sequence' | 'type'>;
  return { ...data, sequence, type: message.event as RunEvent['type'] };
}
