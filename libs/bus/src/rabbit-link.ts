/**
 * One recovering connection. amqplib reconnects with back-off and calls `restore` with every new connection before anyone
 * else may use it. Callers ask for the current connection and wait a bounded time for it.
 */
import { CogmeshError } from '@cogmesh/errors';
import { connect, type ChannelModel, type RecoveringChannelModel } from 'amqplib';
import type { RabbitLimits } from './limits.js';
import type { BusLogger } from './logger.js';
import { isRefusedLogin, rabbitError, within } from './rabbit-errors.js';

const initialDelayMs = 100;

export interface LinkOptions {
  readonly url: string;
  /** Shown in the broker's list of connections: `worker publish`. */
  readonly name: string;
  readonly limits: RabbitLimits;
  readonly logger?: BusLogger | undefined;
  /** Brings channels, topology and consumers back on a new connection. */
  readonly restore: (model: ChannelModel) => Promise<void>;
}

export class RabbitLink {
  readonly #options: LinkOptions;
  readonly #connection: RecoveringChannelModel;
  #current: ChannelModel | undefined;
  #waiting: ((model: ChannelModel) => void)[] = [];
  #closed = false;

  private constructor(options: LinkOptions, connection: RecoveringChannelModel) {
    this.#options = options;
    this.#connection = connection;
  }

  /** Rejects with `unavailable` when the broker cannot be reached in time, at once when it refuses the login. */
  static async open(options: LinkOptions): Promise<RabbitLink> {
    const { name, limits } = options;
    const connection = await connect(withHeartbeat(options.url, limits.heartbeatSeconds), {
      noDelay: true,
      timeout: limits.connectTimeoutMs,
      clientProperties: { connection_name: `cogmesh ${name}` },
      recovery: {
        waitForConnect: false,
        initialDelay: initialDelayMs,
        maxDelay: limits.maxReconnectDelayMs,
        setup: async (model: ChannelModel) => link.restored(model),
      },
    });
    // The first attempt to connect starts in a later turn of the event loop, so `link` is there when setup runs.
    const link: RabbitLink = new RabbitLink(options, connection);
    await link.firstConnection();
    return link;
  }

  get connected(): boolean {
    return this.#current !== undefined;
  }

  /** The connection, waiting for it a bounded time when it is lost. */
  async model(doing: string): Promise<ChannelModel> {
    if (this.#closed) throw new CogmeshError('unavailable', `${doing}: this bus connection is closed`);
    if (this.#current) return this.#current;
    let wake: ((model: ChannelModel) => void) | undefined;
    const restored = new Promise<ChannelModel>((resolve) => this.#waiting.push((wake = resolve)));
    try {
      return await within(this.#options.limits.outageWaitMs, restored, `${doing}: the connection to RabbitMQ is lost`);
    } finally {
      this.#waiting = this.#waiting.filter((waiting) => waiting !== wake);
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#current = undefined;
    // The other side may be gone or hung; then there is nothing left to close in order.
    await within(this.#options.limits.pingTimeoutMs, this.#connection.close(), 'close').catch(() => undefined);
  }

  async firstConnection(): Promise<void> {
    const { limits, name, logger } = this.#options;
    this.#connection.on('error', (error) =>
      logger?.warn({ err: error, connection: name }, 'RabbitMQ connection error'),
    );
    this.#connection.on('blocked', (reason) =>
      logger?.warn({ connection: name, reason }, 'RabbitMQ blocks publishers'),
    );
    this.#connection.on('disconnect', (error) => this.#lost(error));
    let last = new Error('no answer');
    const refused = new Promise<never>((_, reject) => {
      this.#connection.on('connect-failed', (error) => {
        last = error;
        if (isRefusedLogin(error)) reject(error);
        logger?.warn({ err: error, connection: name }, 'no connection to RabbitMQ');
      });
    });
    refused.catch(() => undefined);
    try {
      await within(limits.connectTimeoutMs, Promise.race([this.#connection.waitForConnect(), refused]), 'connect');
    } catch (thrown) {
      await this.close();
      const cause = thrown instanceof CogmeshError ? last : thrown;
      throw new CogmeshError(
        'unavailable',
        `cannot connect to RabbitMQ: ${rabbitError(cause, name).message}`,
        {},
        { cause },
      );
    }
  }

  /** Called by amqplib with every new connection; a rejection makes it try again. */
  async restored(model: ChannelModel): Promise<void> {
    // Errors end in a close, which is what we act on; without a listener they would end the process.
    model.on('error', () => undefined);
    await this.#options.restore(model);
    this.#current = model;
    model.once('close', () => this.#current === model && (this.#current = undefined));
    for (const wake of this.#waiting.splice(0)) wake(model);
  }

  #lost(error: Error): void {
    this.#current = undefined;
    if (!this.#closed)
      this.#options.logger?.warn({ err: error, connection: this.#options.name }, 'RabbitMQ connection lost');
  }
}

function withHeartbeat(url: string, heartbeatSeconds: number): string {
  const parsed = new URL(url);
  if (!parsed.searchParams.has('heartbeat')) parsed.searchParams.set('heartbeat', String(heartbeatSeconds));
  return parsed.href;
}
