/**
 * Writes server-sent events (HTML, section 9.2) at the pace of their reader: while the socket is full nothing more is taken
 * from the source, and a reader that takes nothing for too long is cut off. It may come back with Last-Event-ID; the history
 * is stored, so nothing is lost by either.
 */
import { once } from 'node:events';
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { toCogmeshError } from '@cogmesh/errors';

export interface ServerSentEvent {
  readonly id: string;
  readonly event: string;
  /** Without line breaks. */
  readonly data: string;
}

export interface SendEventsOptions {
  /** Ends the stream: the client has left, or the gateway stops. */
  readonly signal: AbortSignal;
  /** Aborted when it is the gateway that stops. */
  readonly closing: AbortSignal;
  /** Aborted, with the error, when the reader may not go on. */
  readonly revoked: AbortSignal;
  readonly keepAliveMs: number;
  readonly slowReaderMs: number;
  /** Headers set so far, the trace's among them. */
  readonly headers: OutgoingHttpHeaders;
}

/** How long a client waits before it connects again after an end that was not the run's, milliseconds. */
const retryMs = 1_000;

/** Resolves when the stream has ended, however it did. */
export async function sendEvents(
  response: ServerResponse,
  events: AsyncIterable<ServerSentEvent>,
  options: SendEventsOptions,
): Promise<void> {
  response.writeHead(200, {
    ...options.headers,
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    // So that a stop need not wait for the connection to idle out after the stream.
    connection: 'close',
    'x-accel-buffering': 'no',
  });
  response.write(`retry: ${retryMs}\n\n`);
  const keepAlive = setInterval(() => {
    if (!response.writableNeedDrain) response.write(': keep-alive\n\n');
  }, options.keepAliveMs);
  try {
    for await (const event of until(events, options.signal)) {
      await write(response, `id: ${event.id}\nevent: ${event.event}\ndata: ${event.data}\n\n`, options);
    }
  } catch (thrown) {
    // Too late for a status: the comment is for a person, the reconnect for the program.
    if (!options.signal.aborted) response.write(`: ${toCogmeshError(thrown).code}\n\n`);
  } finally {
    clearInterval(keepAlive);
    if (options.revoked.aborted) response.write(`: ${toCogmeshError(options.revoked.reason).code}\n\n`);
    if (options.closing.aborted) response.write(`: the gateway stops, come back\nretry: ${retryMs}\n\n`);
    response.end();
    if (response.writableNeedDrain) response.destroy();
  }
}

async function write(response: ServerResponse, text: string, options: SendEventsOptions): Promise<void> {
  if (response.write(text)) return;
  const tooSlow = AbortSignal.timeout(options.slowReaderMs);
  await once(response, 'drain', { signal: AbortSignal.any([options.signal, tooSlow]) });
}

/** The source until the signal, even while the source is silent; the source is closed either way. */
async function* until<Item>(source: AsyncIterable<Item>, signal: AbortSignal): AsyncGenerator<Item> {
  const iterator = source[Symbol.asyncIterator]();
  const ended = Promise.withResolvers<IteratorResult<Item>>();
  const end = () => ended.resolve({ done: true, value: undefined });
  signal.addEventListener('abort', end, { once: true });
  if (signal.aborted) end();
  try {
    for (;;) {
      const next = iterator.next();
      const result = await Promise.race([next, ended.promise]);
      if (result.done === true) return;
      yield result.value;
    }
  } finally {
    signal.removeEventListener('abort', end);
    await iterator.return?.();
  }
}
