/** Running one call of each kind: context, span, authentication, handler, answer. The transport's quirks end here. */
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { create, type DescMethod, type Message, type MessageInitShape } from '@bufbuild/protobuf';
import type {
  Metadata,
  sendUnaryData,
  ServerDuplexStream,
  ServerReadableStream,
  ServerUnaryCall,
  ServerWritableStream,
} from '@grpc/grpc-js';
import { attributeNames, type Logger, SpanKind, withSpan } from '@cogmesh/telemetry';
import { CogmeshError, errorClasses, toCogmeshError } from '@cogmesh/errors';
import { toStatus } from './errors.js';
import { firstValues } from './metadata.js';
import { peerOfCertificate } from './transport-security.js';
import type { Authenticate, CallContext } from './types.js';

export interface CallRuntime {
  readonly method: DescMethod;
  readonly path: string;
  readonly authenticate: Authenticate;
  readonly logger?: Logger;
  readonly traced: boolean;
  readonly edge: boolean;
}

type Init = MessageInitShape<DescMethod['output']>;
/** Any of the four handler shapes of types.ts; which one is known from the method's kind. */
export type AnyHandler = (input: never, call: CallContext) => Promise<Init> | AsyncIterable<Init>;

/** What the four grpc-js call types have in common, as far as it is used here. */
interface Surface {
  readonly metadata: Metadata;
  getHost(): string;
  getAuthContext: ServerUnaryCall<Message, Message>['getAuthContext'];
  on(event: 'cancelled', listener: () => void): unknown;
}

/** `lasts`: the caller's right is followed for as long as the call is open, and the call ends with it. */
async function withCall<T>(
  runtime: CallRuntime,
  call: Surface,
  { lasts, work }: { lasts: boolean; work: (context: CallContext) => Promise<T> },
): Promise<T> {
  const metadata = firstValues(call.metadata);
  const aborter = new AbortController();
  call.on('cancelled', () => aborter.abort(new CogmeshError('cancelled', 'the caller went away')));
  const run = async () => {
    const { sslPeerCertificate: certificate } = call.getAuthContext();
    const peer = certificate && peerOfCertificate(certificate);
    const caller = await runtime.authenticate({
      method: runtime.path,
      metadata,
      authority: call.getHost(),
      ...(peer ? { peer } : {}),
    });
    const context = { method: runtime.path, metadata, signal: aborter.signal, caller };
    if (!lasts || caller.kind !== 'subject' || caller.follow === undefined) return work(context);
    const ended = Promise.withResolvers<never>();
    const stop = caller.follow((why) => {
      ended.reject(why);
      aborter.abort(why);
    });
    return Promise.race([work(context), ended.promise]).finally(stop);
  };
  if (!runtime.traced) return run();
  return withSpan(
    runtime.path.slice(1) as `${string}/${string}`,
    {
      kind: SpanKind.SERVER,
      parent: runtime.edge ? 'root' : (metadata.get('traceparent') ?? 'root'),
      links: runtime.edge ? [metadata.get('traceparent')] : [],
      attributes: { [attributeNames.rpcSystem]: 'grpc', [attributeNames.rpcMethod]: runtime.path },
    },
    run,
  );
}

function logFailure(runtime: CallRuntime, thrown: unknown): void {
  const error = toCogmeshError(thrown);
  if (errorClasses[error.code].http < 500 || error.code === 'stale_policy') return;
  runtime.logger?.error({ err: error.cause ?? error, code: error.code, rpc: runtime.path }, error.message);
}

export async function runUnary(
  runtime: CallRuntime,
  handler: AnyHandler,
  call: ServerUnaryCall<Message, Message>,
  callback: sendUnaryData<Message>,
): Promise<void> {
  const work = (context: CallContext) => handler(call.request as never, context) as Promise<Init>;
  await answerOnce(runtime, call, { callback, lasts: false, work });
}

export async function runClientStream(
  runtime: CallRuntime,
  handler: AnyHandler,
  call: ServerReadableStream<Message, Message>,
  callback: sendUnaryData<Message>,
): Promise<void> {
  const work = (context: CallContext) => handler(incoming(call) as never, context) as Promise<Init>;
  await answerOnce(runtime, call, { callback, lasts: true, work });
}

interface Answering {
  readonly callback: sendUnaryData<Message>;
  readonly lasts: boolean;
  readonly work: (context: CallContext) => Promise<Init>;
}

async function answerOnce(runtime: CallRuntime, call: Surface, { callback, ...how }: Answering): Promise<void> {
  try {
    const answer = await withCall(runtime, call, how);
    callback(null, create(runtime.method.output, answer));
  } catch (thrown) {
    logFailure(runtime, thrown);
    callback(toStatus(thrown));
  }
}

export async function runServerStream(
  runtime: CallRuntime,
  handler: AnyHandler,
  call: ServerWritableStream<Message, Message>,
): Promise<void> {
  await answerMany(runtime, call, (context) => handler(call.request as never, context) as AsyncIterable<Init>);
}

export async function runBidi(
  runtime: CallRuntime,
  handler: AnyHandler,
  call: ServerDuplexStream<Message, Message>,
): Promise<void> {
  await answerMany(runtime, call, (context) => handler(incoming(call) as never, context) as AsyncIterable<Init>);
}

async function answerMany(
  runtime: CallRuntime,
  call: Surface & Writable,
  work: (context: CallContext) => AsyncIterable<Init>,
): Promise<void> {
  try {
    const send = async (context: CallContext): Promise<void> => {
      for await (const answer of work(context)) {
        if (context.signal.aborted) break;
        await write(call, create(runtime.method.output, answer), context.signal);
      }
    };
    await withCall(runtime, call, { lasts: true, work: send });
    call.end();
  } catch (thrown) {
    logFailure(runtime, thrown);
    // grpc-js turns an emitted status into the stream's trailers.
    call.emit('error', toStatus(thrown));
  }
}

async function write(stream: Writable, message: Message, signal: AbortSignal): Promise<void> {
  if (stream.write(message)) return;
  await once(stream, 'drain', { signal }).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}

/** A plain `for await` would destroy the write side of a two-way call when its input ends. */
function incoming(call: Readable): AsyncIterable<Message> {
  return { [Symbol.asyncIterator]: () => call.iterator({ destroyOnReturn: false }) };
}
