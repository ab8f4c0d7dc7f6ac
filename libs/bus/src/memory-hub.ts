/**
 * The memory broker that the connections of one process share: exchanges, queues, routing. Same rules as RabbitMQ as far as
 * the port promises them; nothing survives the process.
 */
import { CogmeshError } from '@cogmesh/errors';
import type { BusLogger } from './logger.js';
import { MemoryBus } from './memory-bus.js';
import { MemoryQueue, type StoredMessage } from './memory-queue.js';
import { isDeadQueue } from './names.js';
import { deadQueueOf, type Bus, type Exchange, type OutgoingMessage, type Queue } from './port.js';
import { topicMatches } from './topic.js';

interface Binding {
  readonly routingKey: string;
  readonly queue: string;
}

export interface MemoryHubOptions {
  readonly logger?: BusLogger;
  /** Messages waiting in one queue before publish rejects `overloaded`. Default 100,000. */
  readonly maxQueueLength?: number;
}

/** What a MemoryBus needs of the hub; not for others. */
export class MemoryBroker {
  readonly #exchanges = new Map<string, { type: Exchange['type']; bindings: Binding[] }>();
  readonly #queues = new Map<string, MemoryQueue>();
  readonly #options: MemoryHubOptions;

  constructor(options: MemoryHubOptions) {
    this.#options = options;
  }

  declareExchange({ name, type }: Exchange): void {
    const existing = this.#exchanges.get(name);
    if (existing === undefined) this.#exchanges.set(name, { type, bindings: [] });
    else if (existing.type !== type) {
      throw new CogmeshError('failed_precondition', `exchange ${name} is ${existing.type}, not ${type}`, {
        exchange: name,
      });
    }
  }

  /** Declares under the name it has in the hub, which for a transient queue is its connection's own. */
  declareQueue(queue: Queue, name: string): MemoryQueue {
    const declared = this.#queues.get(name) ?? this.#createQueue(queue, name);
    for (const { exchange, routingKey } of queue.bindings ?? []) {
      this.declareExchange(exchange);
      const bindings = this.#exchanges.get(exchange.name)?.bindings ?? [];
      const bound = bindings.some((binding) => binding.queue === name && binding.routingKey === routingKey);
      if (!bound) bindings.push({ routingKey, queue: name });
    }
    return declared;
  }

  removeQueue(name: string): void {
    this.#queues.get(name)?.close();
    this.#queues.delete(name);
    for (const exchange of this.#exchanges.values()) {
      exchange.bindings = exchange.bindings.filter((binding) => binding.queue !== name);
    }
  }

  find(name: string): MemoryQueue | undefined {
    return this.#queues.get(name);
  }

  /** The queues a message goes to; `not_found` when it is addressed to a queue that is not there. */
  route({ to }: OutgoingMessage): readonly MemoryQueue[] {
    if ('queue' in to) {
      const queue = this.#queues.get(to.queue);
      if (queue === undefined) throw new CogmeshError('not_found', `no queue ${to.queue}`, { queue: to.queue });
      return [queue];
    }
    this.declareExchange(to.exchange);
    const { type, bindings } = this.#exchanges.get(to.exchange.name) ?? { type: to.exchange.type, bindings: [] };
    const matches = type === 'topic' ? topicMatches : (pattern: string, key: string) => pattern === key;
    const names = new Set(
      bindings.filter(({ routingKey }) => matches(routingKey, to.routingKey)).map(({ queue }) => queue),
    );
    return [...names].flatMap((name) => this.#queues.get(name) ?? []);
  }

  #createQueue(queue: Queue, name: string): MemoryQueue {
    const dead = deadQueueOf(queue);
    const bury = ({ message }: StoredMessage, reason: string) =>
      this.#queues
        .get(dead.name)
        ?.push({ message: { ...message, routingKey: dead.name, death: { queue: queue.name, reason } } });
    const onExpired = () => this.removeQueue(name);
    const created = new MemoryQueue(queue, { bury, onExpired, maxLength: this.#options.maxQueueLength });
    this.#queues.set(name, created);
    if (queue.kind === 'durable' && !isDeadQueue(queue)) this.declareQueue(dead, dead.name);
    return created;
  }
}

export interface MemoryHub {
  /** A connection of this identity, which is the `sender` of all it publishes. */
  connect(identity: string): Bus;
  /** Cuts a connection as a crash would: what it had not settled is delivered again. */
  sever(bus: Bus): void;
  /** Messages waiting in a queue; 0 when there is none. */
  waiting(queue: string): number;
}

/** The in-process bus: one hub, one connection per identity. */
export function createMemoryHub(options: MemoryHubOptions = {}): MemoryHub {
  const broker = new MemoryBroker(options);
  const buses = new Map<Bus, MemoryBus>();
  let connections = 0;
  return {
    connect(identity) {
      const bus = new MemoryBus(broker, { identity, connectionId: String(++connections), logger: options.logger });
      buses.set(bus, bus);
      return bus;
    },
    sever(bus) {
      buses.get(bus)?.sever();
      buses.delete(bus);
    },
    waiting: (queue) => broker.find(queue)?.length ?? 0,
  };
}
