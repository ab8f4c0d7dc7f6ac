/** One connection to the memory hub. Publishing is synchronous inside; handlers run in later turns of the event loop. */
import { CogmeshError } from '@cogmesh/errors';
import { seal } from './envelope.js';
import { Intake } from './intake.js';
import type { BusLogger } from './logger.js';
import type { MemoryBroker } from './memory-hub.js';
import type { Entry, MemoryConsumer, MemoryQueue, StoredMessage } from './memory-queue.js';
import { wireQueueName } from './names.js';
import type { Bus, Consumer, ConsumeOptions, Exchange, Handler, OutgoingMessage, Queue } from './port.js';
import { tracePublish } from './tracing.js';

interface MemoryConnection {
  readonly identity: string;
  readonly connectionId: string;
  readonly logger?: BusLogger | undefined;
}

interface Attached {
  readonly queue: MemoryQueue;
  readonly consumer: MemoryConsumer;
  readonly stopped: Consumer;
}

export class MemoryBus implements Bus {
  readonly durable = false;
  readonly #broker: MemoryBroker;
  readonly #connection: MemoryConnection;
  readonly #attached = new Set<Attached>();
  readonly #transient = new Set<string>();
  #open = true;

  constructor(broker: MemoryBroker, connection: MemoryConnection) {
    this.#broker = broker;
    this.#connection = connection;
  }

  async declare({ exchanges, queues }: { exchanges?: readonly Exchange[]; queues?: readonly Queue[] }): Promise<void> {
    this.#mustBeOpen();
    for (const exchange of exchanges ?? []) this.#broker.declareExchange(exchange);
    for (const queue of queues ?? []) this.#declareQueue(queue);
  }

  async publish(messages: readonly OutgoingMessage[]): Promise<void> {
    this.#mustBeOpen();
    await tracePublish('memory', messages, async () => this.#publish(messages));
  }

  async consume(queue: Queue, handler: Handler, options: ConsumeOptions = {}): Promise<Consumer> {
    this.#mustBeOpen();
    const declared = this.#declareQueue(queue);
    const intake = new Intake<Entry>(handler, {
      ...options,
      system: 'memory',
      queue: queue.name,
      logger: this.#connection.logger,
      settle: (settled) => declared.settle(consumer, settled),
    });
    const consumer: MemoryConsumer = declared.attach(intake, options.prefetch);
    return this.#keep(declared, consumer);
  }

  async ping(): Promise<void> {
    this.#mustBeOpen();
  }

  async close(): Promise<void> {
    this.#open = false;
    await Promise.all([...this.#attached].map(({ stopped }) => stopped.stop()));
    this.#removeTransient();
  }

  /** Ends at once, as a crash would. */
  sever(): void {
    this.#open = false;
    for (const { queue, consumer } of this.#attached) {
      void consumer.intake.abandon();
      queue.lose(consumer);
    }
    this.#attached.clear();
    this.#removeTransient();
  }

  #keep(queue: MemoryQueue, consumer: MemoryConsumer): Consumer {
    const stop = async (): Promise<void> => {
      queue.detach(consumer);
      await consumer.intake.drain();
      this.#attached.delete(attached);
    };
    const attached: Attached = { queue, consumer, stopped: { stop } };
    this.#attached.add(attached);
    return attached.stopped;
  }

  #publish(messages: readonly OutgoingMessage[]): void {
    const routed = messages.map((message) => ({ stored: this.#store(message), queues: this.#broker.route(message) }));
    const counts = new Map<MemoryQueue, number>();
    for (const queue of routed.flatMap(({ queues }) => queues)) counts.set(queue, (counts.get(queue) ?? 0) + 1);
    for (const [queue, count] of counts) queue.reserve(count);
    for (const { stored, queues } of routed) for (const queue of queues) queue.push(stored);
  }

  #store(message: OutgoingMessage): StoredMessage {
    const { identity } = this.#connection;
    const routingKey = 'queue' in message.to ? message.to.queue : message.to.routingKey;
    const body = new Uint8Array(message.body);
    const delivery = { ...seal(message, identity), type: message.type, body, routingKey, sender: identity };
    return { message: delivery, expirationMs: message.expirationMs };
  }

  #declareQueue(queue: Queue): MemoryQueue {
    const name = wireQueueName(queue, this.#connection.connectionId);
    if (queue.kind === 'transient') this.#transient.add(name);
    return this.#broker.declareQueue(queue, name);
  }

  #removeTransient(): void {
    for (const name of this.#transient) this.#broker.removeQueue(name);
    this.#transient.clear();
  }

  #mustBeOpen(): void {
    if (!this.#open) throw new CogmeshError('unavailable', 'this bus connection is closed');
  }
}
