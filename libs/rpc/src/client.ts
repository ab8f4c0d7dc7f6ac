/**
 * Typed clients over one channel. Every call has a CLIENT span, carries the trace context and the channel's
 * authorization, and fails with a CogmeshError. Unary calls have a deadline even when nobody sets one.
 */
import { once } from 'node:events';
import { create, type DescMethod, type DescService, type Message, type MessageInitShape } from '@bufbuild/protobuf';
import {
  Client as GrpcClient,
  credentials,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientWritableStream,
  type Metadata,
  type ServiceError,
} from '@grpc/grpc-js';
import { CogmeshError } from '@cogmesh/errors';
import { attributeNames, currentTraceparent, SpanKind, withSpan } from '@cogmesh/telemetry';
import { methodDefinition } from './codec.js';
import { fromServiceError } from './errors.js';
import { toMetadata } from './metadata.js';
import { DEFAULT_MAX_MESSAGE_BYTES } from './server.js';
import type { CallOptions, Client } from './types.js';

export const DEFAULT_UNARY_DEADLINE_MS = 10_000;
const MAX_RECONNECT_BACKOFF_MS = 2_000;
const KEEPALIVE_MS = 20_000;

export interface ChannelOptions {
  /** `host:port` or `unix:/path`. */
  readonly target: string;
  /** Value of the `authorization` header for a method, for example `Bearer …`. */
  readonly authorize?: (method: string) => string | undefined | Promise<string | undefined>;
  readonly maxMessageBytes?: number;
}

export interface Channel {
  readonly target: string;
  close(): void;
}

class GrpcChannel implements Channel {
  readonly target: string;
  readonly grpc: GrpcClient;

  constructor(readonly options: ChannelOptions) {
    this.target = options.target;
    const limit = options.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES;
    this.grpc = new GrpcClient(options.target, credentials.createInsecure(), {
      'grpc.max_receive_message_length': limit,
      'grpc.max_send_message_length': limit,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': MAX_RECONNECT_BACKOFF_MS,
      'grpc.keepalive_time_ms': KEEPALIVE_MS,
      // Channels to the same address must not share a connection: each speaks for its own service.
      'grpc.use_local_subchannel_pool': 1,
    });
  }

  close(): void {
    this.grpc.close();
  }
}

export function openChannel(options: ChannelOptions): Channel {
  return new GrpcChannel(options);
}

export function createClient<S extends DescService>(service: S, channel: Channel): Client<S> {
  if (!(channel instanceof GrpcChannel))
    throw new CogmeshError('internal', 'createClient needs a channel of openChannel');
  const entries = service.methods.map((method) => [method.localName, callerOf(method, channel)] as const);
  return Object.fromEntries(entries) as Client<S>;
}

type Init = MessageInitShape<DescMethod['input']>;

function callerOf(method: DescMethod, channel: GrpcChannel) {
  switch (method.methodKind) {
    case 'unary':
      return (request: Init, options?: CallOptions) => callUnary(method, channel, request, options ?? {});
    case 'client_streaming':
      return (requests: AsyncIterable<Init>, options?: CallOptions) =>
        callClientStream(method, channel, requests, options ?? {});
    case 'server_streaming':
      return (request: Init, options?: CallOptions) => callServerStream(method, channel, request, options ?? {});
    case 'bidi_streaming':
      return (requests: AsyncIterable<Init>, options?: CallOptions) =>
        callBidi(method, channel, requests, options ?? {});
  }
}

const spanOf = (path: string) =>
  ({
    kind: SpanKind.CLIENT,
    attributes: { [attributeNames.rpcSystem]: 'grpc', [attributeNames.rpcMethod]: path },
  }) as const;

async function metadataFor(channel: GrpcChannel, path: string, options: CallOptions): Promise<Metadata> {
  const authorization = options.metadata?.['authorization'] ?? (await channel.options.authorize?.(path));
  return toMetadata({ traceparent: currentTraceparent(), ...options.metadata, authorization });
}

const deadlineOf = (deadlineMs: number | undefined) =>
  deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };

/** Cancels the call with the signal, and stops listening when the call is over. */
function cancelWith(
  signal: AbortSignal | undefined,
  call: { cancel(): void; on(event: 'status', listener: () => void): unknown },
): void {
  if (!signal) return;
  const cancel = () => call.cancel();
  if (signal.aborted) cancel();
  signal.addEventListener('abort', cancel, { once: true });
  call.on('status', () => signal.removeEventListener('abort', cancel));
}

function callUnary(method: DescMethod, channel: GrpcChannel, request: Init, options: CallOptions): Promise<Message> {
  const { path, requestSerialize, responseDeserialize } = methodDefinition(method);
  return withSpan(path.slice(1) as `${string}/${string}`, spanOf(path), async () => {
    const metadata = await metadataFor(channel, path, options);
    const callOptions = deadlineOf(options.deadlineMs ?? DEFAULT_UNARY_DEADLINE_MS);
    return new Promise<Message>((resolve, reject) => {
      const call = channel.grpc.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        create(method.input, request),
        metadata,
        callOptions,
        (error, answer) => (error ? reject(fromServiceError(error)) : resolve(answer as Message)),
      );
      cancelWith(options.signal, call);
    });
  });
}

function callClientStream(
  method: DescMethod,
  channel: GrpcChannel,
  requests: AsyncIterable<Init>,
  options: CallOptions,
): Promise<Message> {
  const { path, requestSerialize, responseDeserialize } = methodDefinition(method);
  return withSpan(path.slice(1) as `${string}/${string}`, spanOf(path), async () => {
    const metadata = await metadataFor(channel, path, options);
    return new Promise<Message>((resolve, reject) => {
      const call = channel.grpc.makeClientStreamRequest(
        path,
        requestSerialize,
        responseDeserialize,
        metadata,
        deadlineOf(options.deadlineMs),
        (error, answer) => (error ? reject(fromServiceError(error)) : resolve(answer as Message)),
      );
      cancelWith(options.signal, call);
      pump(method, requests, call).catch((error: unknown) => {
        call.cancel();
        reject(error as Error);
      });
    });
  });
}

async function* callServerStream(method: DescMethod, channel: GrpcChannel, request: Init, options: CallOptions) {
  const { path, requestSerialize, responseDeserialize } = methodDefinition(method);
  const metadata = await metadataFor(channel, path, options);
  const call = channel.grpc.makeServerStreamRequest(
    path,
    requestSerialize,
    responseDeserialize,
    create(method.input, request),
    metadata,
    deadlineOf(options.deadlineMs),
  );
  yield* answersOf(call, options.signal);
}

async function* callBidi(
  method: DescMethod,
  channel: GrpcChannel,
  requests: AsyncIterable<Init>,
  options: CallOptions,
) {
  const { path, requestSerialize, responseDeserialize } = methodDefinition(method);
  const metadata = await metadataFor(channel, path, options);
  const call = channel.grpc.makeBidiStreamRequest(
    path,
    requestSerialize,
    responseDeserialize,
    metadata,
    deadlineOf(options.deadlineMs),
  );
  // A failing source ends the call; the reader below then sees the cancellation.
  pump(method, requests, call).catch(() => call.cancel());
  yield* answersOf(call, options.signal);
}

async function pump(
  method: DescMethod,
  requests: AsyncIterable<Init>,
  call: ClientWritableStream<Message> | ClientDuplexStream<Message, Message>,
): Promise<void> {
  const over = new AbortController();
  call.on('status', () => over.abort());
  for await (const request of requests) {
    if (over.signal.aborted) return;
    if (call.write(create(method.input, request))) continue;
    await once(call, 'drain', { signal: over.signal }).catch(() => {});
  }
  call.end();
}

async function* answersOf(
  call: ClientReadableStream<Message> | ClientDuplexStream<Message, Message>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Message> {
  cancelWith(signal, call);
  // A reader that leaves early cancels the call below; the error that follows has nobody left to hear it.
  call.on('error', () => {});
  try {
    for await (const answer of call.iterator({ destroyOnReturn: false })) yield answer as Message;
  } catch (error) {
    throw fromServiceError(error as ServiceError);
  } finally {
    call.cancel();
  }
}
