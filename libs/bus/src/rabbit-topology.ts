/**
 * What is declared, and how it is declared at RabbitMQ. Durable queues are quorum queues that dead-letter at least once
 * through the default exchange; transient ones are exclusive. Each declaration uses a channel of its own, because RabbitMQ
 * closes the channel of one that fails. What exists already is left as it is when this user may not declare it.
 */
import type { Channel, ChannelModel, Options } from 'amqplib';
import { setTimeout as delay } from 'node:timers/promises';
import { deadLetterDeliveryLimit, defaultDeliveryLimit } from './limits.js';
import { isDeadQueue, wireQueueName } from './names.js';
import { deadQueueOf, type Exchange, type Queue } from './port.js';
import type { CogmeshError } from '@cogmesh/errors';
import { rabbitError } from './rabbit-errors.js';

export interface WireNames {
  readonly prefix: string;
  readonly connectionId: string;
  readonly maxQueueLength: number;
}

export class RabbitTopology {
  readonly #names: WireNames;
  readonly #exchanges = new Map<string, Exchange>();
  readonly #queues = new Map<string, Queue>();
  /** When this connection last created a durable queue, on the monotonic clock. */
  #createdAtMs = -Infinity;

  constructor(names: WireNames) {
    this.#names = names;
  }

  hasExchange({ name }: Exchange): boolean {
    return this.#exchanges.has(name);
  }

  exchangeName({ name }: Pick<Exchange, 'name'>): string {
    return `${this.#names.prefix}${name}`;
  }

  queueName(queue: Queue): string {
    return wireQueueName(queue, this.#names.connectionId, this.#names.prefix);
  }

  /** Declares it now and remembers it for the next connection. */
  async declareExchange(model: ChannelModel, exchange: Exchange): Promise<void> {
    const name = this.exchangeName(exchange);
    const exists = await this.#exists(model, (channel) => channel.checkExchange(name));
    if (!exists) {
      await onChannel(model, (channel) => channel.assertExchange(name, exchange.type, { durable: true })).catch(
        (thrown: unknown) => {
          throw rabbitError(thrown, `declare exchange ${name}`);
        },
      );
    }
    this.#exchanges.set(exchange.name, exchange);
  }

  async declareQueue(model: ChannelModel, queue: Queue): Promise<void> {
    if (queue.kind === 'durable' && !isDeadQueue(queue)) await this.declareQueue(model, deadQueueOf(queue));
    for (const { exchange } of queue.bindings ?? []) await this.declareExchange(model, exchange);
    const name = this.queueName(queue);
    const existed = queue.kind === 'transient' || (await this.#exists(model, (channel) => channel.checkQueue(name)));
    const declare = async (channel: Channel): Promise<void> => {
      await channel.assertQueue(name, this.#queueOptions(queue));
      for (const { exchange, routingKey } of queue.bindings ?? []) {
        await channel.bindQueue(name, this.exchangeName(exchange), routingKey);
      }
    };
    await onChannel(model, declare).catch((thrown: unknown) => {
      throw rabbitError(thrown, `declare queue ${name}`);
    });
    if (!existed) this.#createdAtMs = performance.now();
    this.#queues.set(queue.name, queue);
  }

  /** Resolves when the durable queues created here have been there for a time. */
  async settled(settleMs: number): Promise<void> {
    const leftMs = this.#createdAtMs + settleMs - performance.now();
    if (leftMs > 0) await delay(leftMs);
  }

  /**
   * Declares again on a new connection. Queues that go when unused are left to their consumers. What the broker refuses is
   * told to `refused` and does not stop the rest.
   */
  async restore(model: ChannelModel, refused: (error: CogmeshError) => void): Promise<void> {
    const lasting = [...this.#queues.values()].filter(
      ({ kind, expiresMs }) => kind === 'durable' && expiresMs === undefined,
    );
    const declarations = [
      ...[...this.#exchanges.values()].map((exchange) => () => this.declareExchange(model, exchange)),
      ...lasting.map((queue) => () => this.declareQueue(model, queue)),
    ];
    for (const declare of declarations) {
      await declare().catch((thrown: unknown) => {
        const error = rabbitError(thrown, 'declare');
        if (error.code === 'unavailable') throw error;
        refused(error);
      });
    }
  }

  async #exists(model: ChannelModel, check: (channel: Channel) => Promise<unknown>): Promise<boolean> {
    return onChannel(model, check).then(
      () => true,
      (thrown: unknown) => {
        const error = rabbitError(thrown, 'declare');
        if (error.code === 'not_found') return false;
        throw error;
      },
    );
  }

  #queueOptions(queue: Queue): Options.AssertQueue {
    if (queue.kind === 'transient') return { exclusive: true, autoDelete: true, durable: false };
    const dead = isDeadQueue(queue);
    const deadLettering = {
      'x-delivery-limit': queue.deliveryLimit ?? defaultDeliveryLimit,
      'x-dead-letter-exchange': '',
      'x-dead-letter-routing-key': this.queueName(deadQueueOf(queue)),
      // At least once needs the publisher to be refused, not the oldest message dropped, when the queue is full.
      'x-dead-letter-strategy': 'at-least-once',
      'x-overflow': 'reject-publish',
      'x-max-length': this.#names.maxQueueLength,
    };
    return {
      durable: true,
      arguments: {
        'x-queue-type': 'quorum',
        ...(dead ? { 'x-delivery-limit': deadLetterDeliveryLimit } : deadLettering),
        ...(queue.expiresMs === undefined ? {} : { 'x-expires': queue.expiresMs }),
      },
    };
  }
}

async function onChannel<T>(model: ChannelModel, work: (channel: Channel) => Promise<T>): Promise<T> {
  const channel = await model.createChannel();
  channel.on('error', () => undefined);
  const result = await work(channel);
  await channel.close();
  return result;
}
