/**
 * One consumer: a channel of its own, re-opened whenever it is lost while the consumer is wanted, on a new connection or on
 * the same one (queue removed, consumer time-out). What an old channel had not settled RabbitMQ delivers again.
 */
import { CogmeshError } from '@cogmesh/errors';
import type { Channel, ChannelModel } from 'amqplib';
import { Intake } from './intake.js';
import { backoffMs, defaultPrefetch } from './limits.js';
import type { BusLogger } from './logger.js';
import { isDeadQueue } from './names.js';
import type { Consumer, ConsumeOptions, Handler, Queue } from './port.js';
import { RabbitAcks } from './rabbit-acks.js';
import { receivedOf, type RabbitReceived } from './rabbit-delivery.js';
import { rabbitError } from './rabbit-errors.js';
import type { RabbitTopology } from './rabbit-topology.js';

export interface RabbitConsumerOptions {
  readonly queue: Queue;
  readonly handler: Handler;
  readonly consume: ConsumeOptions;
  readonly topology: RabbitTopology;
  readonly prefix: string;
  readonly logger?: BusLogger | undefined;
  /** The current connection; undefined while there is none, in which case the next one calls `begin`. */
  readonly model: () => ChannelModel | undefined;
  readonly onStopped: () => void;
}

interface Session {
  readonly channel: Channel;
  readonly intake: Intake<RabbitReceived>;
  readonly consumerTag: string;
}

export class RabbitConsumer implements Consumer {
  readonly #options: RabbitConsumerOptions;
  /** Handlers of lost channels that still run. */
  readonly #abandoned = new Set<Promise<void>>();
  #session: Session | undefined;
  #restart: NodeJS.Timeout | undefined;
  #failures = 0;
  #stopping: Promise<void> | undefined;

  constructor(options: RabbitConsumerOptions) {
    this.#options = options;
  }

  /** Declares the queue and starts consuming on a connection. Rejects when the broker refuses. */
  async begin(model: ChannelModel): Promise<void> {
    if (this.#stopping) return;
    clearTimeout(this.#restart);
    const { queue, topology, consume, handler, logger } = this.#options;
    await topology.declareQueue(model, queue);
    const channel = await model.createChannel();
    channel.on('error', (error) =>
      logger?.warn({ err: error, queue: queue.name }, 'RabbitMQ closed a consumer channel'),
    );
    const acks = new RabbitAcks(channel, { transient: queue.kind === 'transient', deadLetters: isDeadQueue(queue) });
    const settle = acks.settle.bind(acks);
    const intake = new Intake<RabbitReceived>(handler, {
      ...consume,
      system: 'rabbitmq',
      queue: queue.name,
      logger,
      settle,
    });
    let closed = false;
    channel.once('close', () => {
      closed = true;
      this.#lost(channel, intake);
    });
    await channel.prefetch(consume.prefetch ?? defaultPrefetch);
    const { consumerTag } = await channel.consume(topology.queueName(queue), (message) => {
      if (message === null) return void channel.close().catch(() => undefined);
      const received = receivedOf(message, this.#options.prefix);
      acks.received(received.deliveryTag);
      intake.accept(received);
    });
    if (closed) throw new CogmeshError('unavailable', `consume ${queue.name}: the channel was closed`);
    const session = { channel, intake, consumerTag };
    // Another attempt was faster, or nobody wants it any more.
    if (this.#session !== undefined || this.#stopping) return this.#end(session);
    this.#session = session;
    this.#failures = 0;
  }

  /** Tries again after a while on the connection there is then. */
  beginLater(): void {
    if (this.#stopping) return;
    clearTimeout(this.#restart);
    this.#restart = setTimeout(() => void this.#beginAgain(), backoffMs(this.#failures++));
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    clearTimeout(this.#restart);
    if (this.#session) await this.#end(this.#session);
    await Promise.all(this.#abandoned);
    this.#options.onStopped();
  }

  /** A channel that is lost meanwhile has nothing left to cancel or settle. */
  async #end({ channel, intake, consumerTag }: Session): Promise<void> {
    await channel.cancel(consumerTag).catch(() => undefined);
    await intake.drain();
    await channel.close().catch(() => undefined);
  }

  #lost(channel: Channel, intake: Intake<RabbitReceived>): void {
    const finished = intake.abandon().finally(() => this.#abandoned.delete(finished));
    this.#abandoned.add(finished);
    if (this.#session?.channel !== channel) return;
    this.#session = undefined;
    this.beginLater();
  }

  async #beginAgain(): Promise<void> {
    const { model, queue, logger } = this.#options;
    const current = model();
    if (current === undefined || this.#session !== undefined || this.#stopping) return;
    try {
      await this.begin(current);
    } catch (thrown) {
      logger?.warn({ err: rabbitError(thrown, 'consume'), queue: queue.name }, 'cannot consume');
      this.beginLater();
    }
  }
}
