/**
 * The bus over RabbitMQ (3.10 to 4.x). Two connections: a broker that blocks publishers must not keep consumers from
 * acknowledging. This file joins the parts; publishing, consuming, topology and recovery each have their own.
 */
import { CogmeshError } from '@cogmesh/errors';
import type { ChannelModel } from 'amqplib';
import { randomBytes } from 'node:crypto';
import { defaultRabbitLimits, type RabbitLimits } from './limits.js';
import type { BusLogger } from './logger.js';
import type { Bus, Consumer, ConsumeOptions, Exchange, Handler, OutgoingMessage, Queue } from './port.js';
import { RabbitConsumer } from './rabbit-consumer.js';
import { rabbitError, within } from './rabbit-errors.js';
import { RabbitLink } from './rabbit-link.js';
import { RabbitPublisher } from './rabbit-publisher.js';
import { RabbitTopology } from './rabbit-topology.js';
import { tracePublish } from './tracing.js';

export interface RabbitOptions {
  /** `amqp://user:password@host:port/vhost`, or `amqps:`. The user is the `sender` of everything published here. */
  readonly url: string;
  /** The service, for the broker's list of connections and the CloudEvents source. */
  readonly identity: string;
  readonly logger?: BusLogger;
  /** Put before every exchange and queue name, so that several meshes (or tests) share a broker. */
  readonly prefix?: string;
  readonly limits?: Partial<RabbitLimits>;
}

/** Connects. Rejects with `unavailable` when the broker does not answer in time or refuses the login. */
export async function openRabbit(options: RabbitOptions): Promise<Bus> {
  if (!URL.canParse(options.url)) throw new CogmeshError('invalid_config', 'the RabbitMQ url cannot be parsed');
  const bus = new RabbitBus(options);
  await bus.open();
  return bus;
}

class RabbitBus implements Bus {
  readonly durable = true;
  readonly #options: RabbitOptions;
  readonly #limits: RabbitLimits;
  readonly #topology: RabbitTopology;
  readonly #consumers = new Set<RabbitConsumer>();
  #consuming: RabbitLink | undefined;
  #publishing: RabbitLink | undefined;
  #publisher: RabbitPublisher | undefined;
  /** The connection that consumers live on. */
  #model: ChannelModel | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: RabbitOptions) {
    this.#options = options;
    this.#limits = { ...defaultRabbitLimits, ...options.limits };
    const connectionId = randomBytes(6).toString('hex');
    const { maxQueueLength } = this.#limits;
    this.#topology = new RabbitTopology({ prefix: options.prefix ?? '', connectionId, maxQueueLength });
  }

  async open(): Promise<void> {
    const { url, identity, logger, prefix = '' } = this.#options;
    const common = { url, logger, limits: this.#limits };
    this.#consuming = await RabbitLink.open({
      ...common,
      name: `${identity} consume`,
      restore: (model) => this.#restore(model),
    });
    try {
      this.#publishing = await RabbitLink.open({
        ...common,
        name: `${identity} publish`,
        restore: async () => undefined,
      });
    } catch (thrown) {
      await this.#consuming.close();
      throw thrown;
    }
    this.#publisher = new RabbitPublisher({
      ...{ link: this.#publishing, topology: this.#topology, identity, prefix },
      user: decodeURIComponent(new URL(url).username) || 'guest',
      confirmTimeoutMs: this.#limits.confirmTimeoutMs,
    });
  }

  async declare({ exchanges, queues }: { exchanges?: readonly Exchange[]; queues?: readonly Queue[] }): Promise<void> {
    await this.#onConnection('declare', async (model) => {
      for (const exchange of exchanges ?? []) await this.#topology.declareExchange(model, exchange);
      for (const queue of queues ?? []) await this.#topology.declareQueue(model, queue);
    });
    await this.#topology.settled(this.#limits.newQueueSettleMs);
  }

  async publish(messages: readonly OutgoingMessage[]): Promise<void> {
    await tracePublish('rabbitmq', messages, async () => {
      await this.#declareExchangesOf(messages);
      await this.#opened(this.#publisher).publish(messages);
    });
  }

  async consume(queue: Queue, handler: Handler, options: ConsumeOptions = {}): Promise<Consumer> {
    const { logger, prefix = '' } = this.#options;
    const consumer: RabbitConsumer = new RabbitConsumer({
      ...{ queue, handler, consume: options, topology: this.#topology, prefix, logger },
      model: () => this.#model,
      onStopped: () => this.#consumers.delete(consumer),
    });
    await this.#onConnection('consume', (model) => consumer.begin(model));
    this.#consumers.add(consumer);
    await this.#topology.settled(this.#limits.newQueueSettleMs);
    return consumer;
  }

  async ping(): Promise<void> {
    if (!this.#opened(this.#publishing).connected)
      throw new CogmeshError('unavailable', 'the connection to RabbitMQ is lost');
    const roundTrip = this.#onConnection('ping', async (model) => (await model.createChannel()).close());
    await within(this.#limits.pingTimeoutMs, roundTrip, 'ping');
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { closeTimeoutMs } = this.#limits;
    const drained = Promise.all([
      ...[...this.#consumers].map((consumer) => consumer.stop()),
      this.#publisher?.settled(),
    ]);
    await within(closeTimeoutMs, drained, 'close').catch((error: unknown) => {
      this.#options.logger?.warn({ err: error }, 'closing the bus although handlers still run');
    });
    await Promise.all([this.#consuming?.close(), this.#publishing?.close()]);
  }

  /** On a new connection: declare again, consume again. What the broker refuses now must not stop the rest. */
  async #restore(model: ChannelModel): Promise<void> {
    const { logger } = this.#options;
    await this.#topology.restore(model, (error) => logger?.warn({ err: error }, 'not declared again'));
    const { operationTimeoutMs } = this.#limits;
    const begun = [...this.#consumers].map(async (consumer) => {
      await within(operationTimeoutMs, consumer.begin(model), 'consume').catch((thrown: unknown) => {
        logger?.warn({ err: rabbitError(thrown, 'consume') }, 'not consumed again, will try later');
        consumer.beginLater();
      });
    });
    await Promise.all(begun);
    this.#model = model;
    model.once('close', () => this.#model === model && (this.#model = undefined));
  }

  async #declareExchangesOf(messages: readonly OutgoingMessage[]): Promise<void> {
    const exchanges = messages.flatMap(({ to }) =>
      'queue' in to || this.#topology.hasExchange(to.exchange) ? [] : [to.exchange],
    );
    const unknown = [...new Map(exchanges.map((exchange) => [exchange.name, exchange])).values()];
    if (unknown.length > 0) await this.declare({ exchanges: unknown });
  }

  async #onConnection<T>(doing: string, work: (model: ChannelModel) => Promise<T>): Promise<T> {
    const model = await this.#opened(this.#consuming).model(doing);
    return within(this.#limits.operationTimeoutMs, work(model), doing).catch((thrown: unknown) => {
      throw rabbitError(thrown, doing);
    });
  }

  #opened<T>(part: T | undefined): T {
    if (part === undefined || this.#closing) throw new CogmeshError('unavailable', 'this bus connection is closed');
    return part;
  }
}
