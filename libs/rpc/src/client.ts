/**
 * Typed clients over one channel. Every call has a CLIENT span, carries the trace context and the channel's
 * authorization, and fails with a CogmeshError. Unary calls have a deadline even when nobody sets one. Where the service
 * runs in several places, a call that one could not take goes to the next if it did not begin or may be repeated.
 */
import { once } from 'node:events';
import { create, type DescMethod, type DescService, type Message, type MessageInitShape } from '@bufbuild/protobuf';
import type {
  ClientDuplexStream,
  ClientReadableStream,
  ClientWritableStream,
  Metadata,
  ServiceError,
} from '@grpc/grpc-js';
import { MethodOptions_IdempotencyLevel } from '@bufbuild/protobuf/wkt';
import { CogmeshError, toCogmeshError } from '@cogmesh/errors';
import { attributeNames, currentTraceparent, SpanKind, withSpan } from '@cogmesh/telemetry';
import { methodDefinition } from './codec.js';
import { fromServiceError } from './errors.js';
import { GrpcChannel, noteFailure, type Channel, type ChannelOptions, type Place } from './grpc-channel.js';
import { toMetadata } from './metadata.js';
import type { CallOptions, Client } from './types.js';

export const DEFAULT_UNARY_DEADLINE_MS = 10_000;

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

/** Whether another place may be asked after this one failed. */
function mayGoOn({ idempotency }: DescMethod, { code, details }: CogmeshError): boolean {
  if (code !== 'unavailable') return false;
  return idempotency !== MethodOptions_IdempotencyLevel.IDEMPOTENCY_UNKNOWN || details['unsent'] === true;
}

/** Notes what the failure says of the place; throws it when nobody else is to be asked. */
function orElsewhere(place: Place, thrown: unknown, goesOn: (error: CogmeshError) => boolean): void {
  const error = toCogmeshError(thrown);
  noteFailure(place, error);
  if (!goesOn(error)) throw error;
}

function callUnary(method: DescMethod, channel: GrpcChannel, request: Init, options: CallOptions): Promise<Message> {
  const { path } = methodDefinition(method);
  return withSpan(path.slice(1) as `${string}/${string}`, spanOf(path), async () => {
    const metadata = await metadataFor(channel, path, options);
    const timed = { ...options, ...deadlineOf(options.deadlineMs ?? DEFAULT_UNARY_DEADLINE_MS) };
    const [...places] = channel.places();
    const last = places.pop() as Place;
    for (const place of places) {
      try {
        return await unaryAt(method, place, { request, metadata, options: timed });
      } catch (thrown) {
        orElsewhere(place, thrown, (error) => mayGoOn(method, error));
      }
    }
    return unaryAt(method, last, { request, metadata, options: timed }).catch((thrown: unknown) => {
      orElsewhere(last, thrown, () => false);
      throw thrown;
    });
  });
}

interface Asked {
  readonly request: Init;
  readonly metadata: Metadata;
  readonly options: CallOptions & { readonly deadline?: number };
}

function unaryAt(method: DescMethod, { grpc }: Place, { request, metadata, options }: Asked): Promise<Message> {
  const { path, requestSerialize, responseDeserialize } = methodDefinition(method);
  return new Promise<Message>((resolve, reject) => {
    const call = grpc.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      create(method.input, request),
      metadata,
      options.deadline === undefined ? {} : { deadline: options.deadline },
      (error, answer) => (error ? reject(fromServiceError(error)) : resolve(answer as Message)),
    );
    cancelWith(options.signal, call);
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
      const call = channel
        .places()[0]
        .grpc.makeClientStreamRequest(
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

/** Another place is asked only as long as nothing was answered. */
async function* callServerStream(method: DescMethod, channel: GrpcChannel, request: Init, options: CallOptions) {
  const { path, requestSerialize, responseDeserialize } = methodDefinition(method);
  const metadata = await metadataFor(channel, path, options);
  const timed = deadlineOf(options.deadlineMs);
  const places = [...channel.places()];
  for (const place of places) {
    let isAnswered = false;
    const call = place.grpc.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      create(method.input, request),
      metadata,
      timed,
    );
    try {
      for await (const answer of answersOf(call, options.signal)) {
        isAnswered = true;
        yield answer;
      }
      return;
    } catch (thrown) {
      const isLast = place === places.at(-1);
      orElsewhere(place, thrown, (error) => !isAnswered && !isLast && mayGoOn(method, error));
    }
  }
}

async function* callBidi(
  method: DescMethod,
  channel: GrpcChannel,
  requests: AsyncIterable<Init>,
  options: CallOptions,
) {
  const { path, requestSerialize, responseDeserialize } = methodDefinition(method);
  const metadata = await metadataFor(channel, path, options);
  const call = channel
    .places()[0]
    .grpc.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata, deadlineOf(options.deadlineMs));
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
