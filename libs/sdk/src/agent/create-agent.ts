/**
 * An agent in the user's own process: it serves tools of its organisation over one stream to the registry and never sees
 * the broker. The connection comes back by itself with back-off; what runs meanwhile goes on and is reported afterwards.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { registryV1 } from '@cogmesh/contracts';
import { CogmeshError, toCogmeshError } from '@cogmesh/errors';
import { createClient, openChannel, TransportSecurity } from '@cogmesh/rpc';
import { downloadBlob } from '../blobs.js';
import { HttpTransport, type TokenSource } from '../http-transport.js';
import type { BlobReference } from '../run-document.js';
import { Connection, mayReconnect, needsFreshToken } from './connection.js';
import type { Handler, HandlerOptions, ServedTool } from './handler.js';
import { announced, introduced, setSlots, slotsOf } from './slots.js';
import { WorkDesk, type Message } from './work-desk.js';

export interface AgentOptions {
  /** The registry's gRPC address: `host:port` or `unix:/path`. */
  readonly registry: string;
  /** A token of the organisation whose tools are served; or `getToken` when it has to be renewed. */
  readonly token?: string;
  readonly getToken?: Exclude<TokenSource, string>;
  /** Human name, stable over restarts. */
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** The gateway's base URL; needed only for `ctx.blob`. */
  readonly gateway?: string;
  /** Signals upon which the agent stops by itself. Default SIGTERM; `[]` for none. */
  readonly stopOn?: readonly NodeJS.Signals[];
  /** Longest wait before the next connection, milliseconds. Default 5,000. */
  readonly maxReconnectDelayMs?: number;
  /** PEM files for mutual TLS with the registry, of a mesh whose services use it (docs/guides/tls.md). Changed ones are read again. */
  readonly certificates?: { readonly cert: string; readonly key: string; readonly ca: string };
}

export interface Agent {
  /** Serves `<organisation>/<name>`. Call before `start`. */
  handle<Input = unknown>(tool: string, handler: Handler<Input>, options?: HandlerOptions): Agent;
  /**
   * Resolves once the registry has welcomed the agent. Rejects when it refuses (`permission_denied`, `invalid_token`, …); while
   * it cannot be reached, keeps trying.
   */
  start(): Promise<void>;
  /** Takes nothing new, finishes what runs within `graceMs` (default 30,000), aborts the rest, says goodbye. */
  stop(options?: { readonly graceMs?: number }): Promise<void>;
  /** Resolves after `stop`; rejects when the registry refuses the agent for good. */
  readonly closed: Promise<void>;
  /** Empty before `start`. */
  readonly id: string;
}

const DEFAULT_STOP_GRACE_MS = 30_000;
const FIRST_RECONNECT_DELAY_MS = 100;
/** After the last result was offered, how long its acceptance and the end of the stream may take. */
const GOODBYE_MS = 2_000;

export function createAgent(options: AgentOptions): Agent {
  return new ConnectedAgent(options);
}

class ConnectedAgent implements Agent {
  readonly closed: Promise<void>;
  readonly #options: AgentOptions;
  readonly #tools = new Map<string, ServedTool>();
  readonly #channel: ReturnType<typeof openChannel>;
  readonly #security: TransportSecurity | undefined;
  readonly #desk: WorkDesk;
  readonly #stopping = new AbortController();
  readonly #close = Promise.withResolvers<void>();
  readonly #welcomed = Promise.withResolvers<void>();
  readonly #onSignal = () => void this.stop();
  #connection: Connection | undefined;
  #loop: Promise<void> | undefined;
  #stopped: Promise<void> | undefined;
  #id = '';
  /** Connections in a row that were not welcomed. */
  #failures = 0;

  constructor(options: AgentOptions) {
    if (options.token === undefined && options.getToken === undefined) {
      throw new CogmeshError('unauthenticated', 'the agent needs `token` or `getToken`');
    }
    this.#options = options;
    const { registry, certificates } = options;
    this.#security = certificates && new TransportSecurity({ files: certificates });
    this.#channel = openChannel({ target: registry, secure: { security: this.#security, service: 'registry' } });
    this.#desk = new WorkDesk({
      tools: this.#tools,
      blob: (blob, signal) => this.#blob(blob, signal),
      send: (message: Message) => this.#connection?.send(message),
    });
    this.closed = this.#close.promise;
    // Whoever does not ask for the end must not be killed by it.
    this.closed.catch(() => {});
    this.#welcomed.promise.catch(() => {});
  }

  get id(): string {
    return this.#id;
  }

  handle<Input = unknown>(tool: string, handler: Handler<Input>, options: HandlerOptions = {}): Agent {
    const capability = `tool:${tool}`;
    if (this.#loop) throw new CogmeshError('failed_precondition', 'call handle before start');
    if (this.#tools.has(capability)) throw new CogmeshError('already_exists', `${tool} has a handler already`);
    const { inputSchema } = options;
    const schema = inputSchema === undefined ? {} : { inputSchemaJson: JSON.stringify(inputSchema) };
    this.#tools.set(capability, { capability, ...slotsOf(options), ...schema, handler: handler as Handler<never> });
    return this;
  }

  start(): Promise<void> {
    if (this.#loop === undefined) {
      for (const signal of this.#stopSignals) process.on(signal, this.#onSignal);
      this.#loop = this.#keepConnected();
      this.#loop.then(
        () => this.#end(),
        (error: unknown) => this.#end(error),
      );
    }
    return this.#welcomed.promise;
  }

  stop({ graceMs = DEFAULT_STOP_GRACE_MS }: { readonly graceMs?: number } = {}): Promise<void> {
    this.#stopped ??= this.#drainAndLeave(graceMs);
    return this.#stopped;
  }

  get #stopSignals(): readonly NodeJS.Signals[] {
    return this.#options.stopOn ?? ['SIGTERM'];
  }

  async #drainAndLeave(graceMs: number): Promise<void> {
    this.#desk.drain();
    this.#connection?.announce();
    if (!(await within(graceMs, this.#desk.whenIdle()))) {
      this.#desk.abortAll(new CogmeshError('unavailable', 'the agent is stopping'));
      await within(GOODBYE_MS, this.#desk.whenIdle());
    }
    this.#stopping.abort();
    this.#connection?.leave('stopped');
    if (this.#loop && !(await within(GOODBYE_MS, this.#loop))) this.#connection?.cut();
    await this.#loop?.catch(() => {});
    this.#end();
  }

  #end(error?: unknown): void {
    for (const signal of this.#stopSignals) process.off(signal, this.#onSignal);
    this.#channel.close();
    this.#security?.close();
    if (error !== undefined) {
      this.#welcomed.reject(error);
      this.#close.reject(error);
    }
    this.#welcomed.reject(new CogmeshError('cancelled', 'the agent was stopped'));
    this.#close.resolve();
  }

  async #keepConnected(): Promise<void> {
    const { maxReconnectDelayMs = 5_000, getToken } = this.#options;
    let refresh = false;
    for (; !this.#stopping.signal.aborted; this.#failures += 1) {
      try {
        await this.#connectOnce(refresh);
        refresh = false;
      } catch (thrown) {
        const error = toCogmeshError(thrown);
        if (!mayReconnect(error, getToken !== undefined && !refresh)) throw error;
        refresh = needsFreshToken(error);
      }
      const waitMs = Math.min(maxReconnectDelayMs, FIRST_RECONNECT_DELAY_MS * 2 ** Math.min(this.#failures, 16));
      const wait = { signal: this.#stopping.signal };
      await delay(waitMs * (0.5 + Math.random() / 2), undefined, wait).catch(() => {});
    }
  }

  async #connectOnce(refresh: boolean): Promise<void> {
    const { name, labels = {}, getToken } = this.#options;
    const token = await this.#token(refresh);
    const connection = new Connection({
      client: createClient(registryV1.AgentService, this.#channel),
      desk: this.#desk,
      hello: { token, name, labels, agentId: this.#id },
      introduction: () => introduced(this.#tools.values(), !this.#desk.draining),
      capabilities: () => announced(this.#tools.values(), !this.#desk.draining),
      setCredits: (change) => setSlots(this.#tools, change),
      ...(getToken === undefined ? {} : { freshToken: () => this.#token(true) }),
      onWelcome: (agentId) => {
        this.#failures = 0;
        this.#id = agentId;
        this.#connection = connection;
        this.#welcomed.resolve();
      },
      onDrain: () => void this.stop(),
    });
    try {
      await connection.run();
    } finally {
      this.#connection = undefined;
    }
  }

  async #token(refresh: boolean): Promise<string> {
    const { token, getToken } = this.#options;
    return getToken ? getToken({ refresh }) : (token ?? '');
  }

  async #blob(blob: string | BlobReference, signal: AbortSignal) {
    const { gateway, token = '', getToken } = this.#options;
    if (gateway === undefined) {
      throw new CogmeshError('failed_precondition', 'give createAgent the `gateway` address to read blobs');
    }
    return downloadBlob(new HttpTransport({ baseUrl: gateway, token: getToken ?? token }), blob, signal);
  }
}

/** Whether it settled in time. */
async function within(ms: number, work: Promise<unknown>): Promise<boolean> {
  const timer = new AbortController();
  const settled = work.then(
    () => true,
    () => true,
  );
  try {
    return await Promise.race([settled, delay(ms, false, { signal: timer.signal })]);
  } finally {
    timer.abort();
  }
}
