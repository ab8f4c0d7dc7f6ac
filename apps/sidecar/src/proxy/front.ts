/**
 * The listener, with its limits: HTTP/2 with mutual TLS, or without any (h2c, prior knowledge) on loopback, a pod's network or a Unix
 * socket.
 */
import { existsSync, rmSync } from 'node:fs';
import {
  createSecureServer,
  createServer,
  type Http2Server,
  type Http2Session,
  type ServerHttp2Session,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { CogmeshError } from '@cogmesh/errors';
import { peerOf, type Peer, type TransportSecurity } from '@cogmesh/rpc';
import { bindService } from '@cogmesh/telemetry';
import { closeWhenIdle } from './idle.js';
import { maxHeaderFields, maxHeaderListBytes } from './limits.js';
import type { Proxy } from './proxy.js';

export interface FrontOptions {
  /** `host:port` (port 0 picks one) or `unix:/path`. */
  readonly address: string;
  readonly limits: {
    readonly maxConnections: number;
    readonly maxStreams: number;
    readonly windowBytes: number;
    readonly idleTimeoutMs: number;
  };
  readonly proxy: Proxy;
  /** Mutual TLS; not used on a Unix socket. */
  readonly security?: TransportSecurity | undefined;
}

export interface Front {
  /** With the real port. */
  readonly address: string;
  /** Takes no more connections and calls; calls under way have `graceMs`, then they are cut. */
  close(graceMs: number): Promise<void>;
}

export async function openFront({ address, limits, proxy, security }: FrontOptions): Promise<Front> {
  const server = createFront(address.startsWith('unix:') ? undefined : security, {
    maxHeaderListPairs: maxHeaderFields,
    settings: {
      maxConcurrentStreams: limits.maxStreams,
      initialWindowSize: limits.windowBytes,
      maxHeaderListSize: maxHeaderListBytes,
    },
  });
  server.maxConnections = limits.maxConnections;
  const sessions = new Set<ServerHttp2Session>();
  const peers = new WeakMap<Http2Session, Peer>();
  server.on('session', (session) => {
    sessions.add(session);
    const peer = peerOf(session.socket);
    if (peer !== undefined) peers.set(session, peer);
    session.setLocalWindowSize(limits.windowBytes * 16);
    session.on('error', () => {});
    closeWhenIdle(session, limits.idleTimeoutMs);
    session.once('close', () => sessions.delete(session));
  });
  server.on(
    'stream',
    bindService((stream, headers) => void proxy.serve(stream, headers, stream.session && peers.get(stream.session))),
  );
  await listen(server, address);
  return { address: addressOf(server, address), close: (graceMs) => close(server, sessions, graceMs) };
}

type Settings = Parameters<typeof createServer>[0] & object;

function createFront(security: TransportSecurity | undefined, settings: Settings): Http2Server {
  if (security === undefined) return createServer(settings);
  const server = createSecureServer({ ...settings, ...security.serverOptions });
  server.once(
    'close',
    security.onChange((material) => server.setSecureContext(material)),
  );
  server.on('secureConnection', (socket) => socket.on('error', () => {}));
  return server as unknown as Http2Server;
}

async function listen(server: Http2Server, address: string): Promise<void> {
  const path = address.startsWith('unix:') ? address.slice('unix:'.length) : undefined;
  // A socket left by a killed process would refuse the bind.
  if (path !== undefined && existsSync(path)) rmSync(path);
  const colon = address.lastIndexOf(':');
  const where =
    path === undefined
      ? { host: address.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(address.slice(colon + 1)) }
      : { path };
  await new Promise<void>((resolve, reject) => {
    const failed = (error: Error) =>
      reject(new CogmeshError('unavailable', `cannot listen on ${address}: ${error.message}`));
    server.once('error', failed);
    server.listen(where, () => {
      server.off('error', failed);
      resolve();
    });
  });
}

function addressOf(server: Http2Server, address: string): string {
  if (address.startsWith('unix:')) return address;
  return `${address.slice(0, address.lastIndexOf(':'))}:${(server.address() as AddressInfo).port}`;
}

async function close(server: Http2Server, sessions: ReadonlySet<ServerHttp2Session>, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  for (const session of sessions) session.close();
  const expired = new AbortController();
  const grace = delay(graceMs, undefined, { signal: expired.signal, ref: false }).then(
    () => {
      for (const session of sessions) session.destroy();
    },
    () => {},
  );
  await closed;
  expired.abort();
  await grace;
}
