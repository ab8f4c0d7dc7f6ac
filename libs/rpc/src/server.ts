/**
 * The gRPC server every service uses. Per call, in this order: trace context from metadata, a SERVER span, who calls
 * (`authenticate`), then the handler. Errors leave as errors.ts says. Streams respect back-pressure and end when the
 * client leaves.
 */
import { existsSync, rmSync } from 'node:fs';
import { type DescMethod, type DescService } from '@bufbuild/protobuf';
import { Server, ServerCredentials, type ServiceDefinition } from '@grpc/grpc-js';
import { CogmeshError } from '@cogmesh/errors';
import { bindService, type Logger } from '@cogmesh/telemetry';
import { methodDefinition, methodPath } from './codec.js';
import { serverCredentials } from './grpc-credentials.js';
import { healthBinding } from './health.js';
import {
  type AnyHandler,
  runBidi,
  runClientStream,
  runServerStream,
  runUnary,
  type CallRuntime,
} from './server-calls.js';
import { reflectionBinding } from './reflection.js';
import type { TransportSecurity } from './transport-security.js';
import type { Authenticate, ServiceImplementation } from './types.js';

/** Largest message either way, bytes; 8 MiB. Larger payloads are blobs. */
export const DEFAULT_MAX_MESSAGE_BYTES = 8 * 1024 * 1024;
const MAX_STREAMS_PER_CONNECTION = 1_000;
const KEEPALIVE_MS = 20_000;

export interface ServiceBinding {
  readonly service: DescService;
  readonly implementation: Readonly<Record<string, AnyHandler>>;
  /** Callable without authentication (health, reflection). */
  readonly open?: boolean;
  /** Faces callers from outside: their trace context becomes a link, never the parent. */
  readonly edge?: boolean;
}

export function implement<S extends DescService>(service: S, implementation: ServiceImplementation<S>): ServiceBinding {
  return { service, implementation: implementation as unknown as ServiceBinding['implementation'] };
}

export interface RpcServerOptions {
  /** `host:port` (port 0 picks one) or `unix:/path`. */
  readonly address: string;
  readonly services: readonly ServiceBinding[];
  /** Without it every caller is anonymous: for tests and for services that authenticate in the body. */
  readonly authenticate?: Authenticate;
  readonly logger?: Logger;
  readonly maxMessageBytes?: number;
  /** Answer of the standard health service; default always serving. */
  readonly healthy?: () => boolean;
  /** Mutual TLS; not used on Unix sockets. Default: plain. */
  readonly security?: TransportSecurity | undefined;
}

export interface RpcServer {
  /** Where it listens, with the real port. */
  readonly address: string;
  /** Finishes calls in flight for at most `graceMs` (default 5,000), then cuts them. */
  stop(graceMs?: number): Promise<void>;
}

export async function serveRpc(options: RpcServerOptions): Promise<RpcServer> {
  const server = new Server({
    'grpc.max_receive_message_length': options.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES,
    'grpc.max_send_message_length': options.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES,
    'grpc.max_concurrent_streams': MAX_STREAMS_PER_CONNECTION,
    'grpc.keepalive_time_ms': KEEPALIVE_MS,
  });
  const standard = [healthBinding(options.healthy ?? (() => true)), reflectionBinding(options.services)];
  for (const binding of [...options.services, ...standard]) addService(server, binding, options);
  const security = options.address.startsWith('unix:') ? undefined : options.security;
  const credentials = security && serverCredentials(security);
  const address = await bind(server, options.address, credentials ?? ServerCredentials.createInsecure());
  return {
    address,
    stop: async (graceMs = 5_000) => {
      await stop(server, graceMs);
      credentials?.stop();
    },
  };
}

function addService(server: Server, binding: ServiceBinding, options: RpcServerOptions): void {
  const definition: Record<string, ServiceDefinition[string]> = {};
  const handlers: Record<string, (call: never, callback: never) => void> = {};
  for (const method of binding.service.methods) {
    definition[method.localName] = methodDefinition(method);
    const handler = binding.implementation[method.localName];
    if (!handler) throw new CogmeshError('internal', `${methodPath(method)} has no implementation`);
    handlers[method.localName] = bindService(runnerOf(method, handler, runtimeOf(method, binding, options)));
  }
  server.addService(definition, handlers as never);
}

const runtimeOf = (method: DescMethod, binding: ServiceBinding, options: RpcServerOptions): CallRuntime => ({
  method,
  path: methodPath(method),
  authenticate: binding.open === true || !options.authenticate ? () => ({ kind: 'anonymous' }) : options.authenticate,
  ...(options.logger ? { logger: options.logger } : {}),
  traced: binding.open !== true,
  edge: binding.edge === true,
});

function runnerOf(
  method: DescMethod,
  handler: AnyHandler,
  runtime: CallRuntime,
): (call: never, callback: never) => void {
  switch (method.methodKind) {
    case 'unary':
      return (call, callback) => void runUnary(runtime, handler, call, callback);
    case 'client_streaming':
      return (call, callback) => void runClientStream(runtime, handler, call, callback);
    case 'server_streaming':
      return (call) => void runServerStream(runtime, handler, call);
    case 'bidi_streaming':
      return (call) => void runBidi(runtime, handler, call);
  }
}

async function bind(server: Server, address: string, credentials: ServerCredentials): Promise<string> {
  const socket = address.startsWith('unix:') ? address.slice('unix:'.length) : undefined;
  // A socket left by a killed process would refuse the bind.
  if (socket && existsSync(socket)) rmSync(socket);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(address, credentials, (error, bound) =>
      error ? reject(new CogmeshError('unavailable', `cannot listen on ${address}: ${error.message}`)) : resolve(bound),
    );
  });
  return socket ? address : `${address.slice(0, address.lastIndexOf(':'))}:${port}`;
}

function stop(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      server.forceShutdown();
      // A connection whose handshake ends only now would be waited for.
      resolve();
    }, graceMs);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
