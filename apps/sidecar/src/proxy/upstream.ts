/**
 * One HTTP/2 connection to what stands behind the sidecar, opened when first needed and opened anew after it was lost or the other
 * side said goodbye (GOAWAY); calls under way on the old one finish there.
 */
import {
  connect as connectHttp2,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type OutgoingHttpHeaders,
} from 'node:http2';
import { connect as connectSocket, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { CogmeshError } from '@cogmesh/errors';
import type { TransportSecurity } from '@cogmesh/rpc';
import { maxHeaderListBytes } from './limits.js';

export interface UpstreamOptions {
  /** `host:port` or `unix:/path`. */
  readonly address: string;
  readonly connectTimeoutMs: number;
  /** Bytes in flight per call before the service has to wait. */
  readonly windowBytes: number;
  /** Mutual TLS, where the other side has to be `service`; not used on a Unix socket. */
  readonly secure?: { readonly security: TransportSecurity | undefined; readonly service: string };
}

export class Upstream {
  readonly #options: UpstreamOptions;
  #current: Promise<ClientHttp2Session> | undefined;
  #closed = false;

  constructor(options: UpstreamOptions) {
    this.#options = options;
  }

  /** A new call. Throws `unavailable` when there is no connection to be had. */
  async request(headers: OutgoingHttpHeaders): Promise<ClientHttp2Stream> {
    const session = await this.session();
    try {
      return session.request(headers, { endStream: false });
    } catch {
      // The connection was lost or is saying goodbye since it was handed out; a new one either works or tells.
      this.#forget(session);
      return (await this.session()).request(headers, { endStream: false });
    }
  }

  /** The open connection, made now if there is none; `unavailable` when it cannot be made in time. */
  session(): Promise<ClientHttp2Session> {
    if (this.#closed) return Promise.reject(unavailable(this.#options.address, 'the sidecar is stopping'));
    this.#current ??= this.#open().catch((error: unknown) => {
      this.#current = undefined;
      throw error;
    });
    return this.#current;
  }

  close(): void {
    this.#closed = true;
    void this.#current?.then(
      (session) => session.destroy(),
      () => {},
    );
  }

  #open(): Promise<ClientHttp2Session> {
    const { address, connectTimeoutMs, windowBytes } = this.#options;
    return new Promise((resolve, reject) => {
      const session = connectHttp2('http://sidecar.invalid', {
        createConnection: () => this.#connect(),
        settings: { initialWindowSize: windowBytes, maxHeaderListSize: maxHeaderListBytes, enablePush: false },
      });
      const timer = setTimeout(
        () => session.destroy(new Error(`no connection within ${connectTimeoutMs} ms`)),
        connectTimeoutMs,
      );
      session.once('connect', () => {
        clearTimeout(timer);
        session.setLocalWindowSize(windowBytes * 16);
        resolve(session);
      });
      session.on('error', (error) => reject(unavailable(address, error.message)));
      session.once('close', () => {
        clearTimeout(timer);
        reject(unavailable(address, 'the connection was closed'));
        this.#forget(session);
      });
      session.once('goaway', () => this.#forget(session));
    });
  }

  #connect(): Socket {
    const { address, secure } = this.#options;
    const socket = socketTo(address);
    if (secure?.security === undefined || address.startsWith('unix:')) return socket;
    return connectTls({ ...secure.security.clientOptions(secure.service), socket });
  }

  #forget(session: ClientHttp2Session): void {
    const held = this.#current;
    void held?.then(
      (current) => {
        if (current === session && this.#current === held) this.#current = undefined;
      },
      () => {},
    );
  }
}

function socketTo(address: string): Socket {
  if (address.startsWith('unix:')) return connectSocket(address.slice('unix:'.length));
  const colon = address.lastIndexOf(':');
  return connectSocket({
    host: address.slice(0, colon).replace(/^\[|\]$/g, ''),
    port: Number(address.slice(colon + 1)),
    noDelay: true,
  });
}

function unavailable(address: string, why: string): CogmeshError {
  return new CogmeshError('unavailable', `the service behind the sidecar (${address}) cannot be reached: ${why}`, {
    retryAfterSeconds: 1,
    // Nothing of the call has reached the service: another one may be asked.
    unsent: true,
  });
}
