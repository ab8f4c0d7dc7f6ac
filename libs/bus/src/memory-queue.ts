/**
 * One queue of the memory adapter. Messages wait in order of arrival; what is handed back takes its old place again.
 * A durable queue sends what failed too often, was rejected or expired to its dead-letter queue; a transient one drops it.
 */
import { CogmeshError } from '@cogmesh/errors';
import type { Intake, Outcome, Received, Settled } from './intake.js';
import { defaultDeliveryLimit, defaultPrefetch, maxQueueLength } from './limits.js';
import { isDeadQueue } from './names.js';
import type { Delivery, Queue } from './port.js';

export interface StoredMessage {
  readonly message: Omit<Delivery, 'redelivered'>;
  readonly expirationMs?: number | undefined;
}

export interface Entry extends Received {
  readonly sequence: number;
  readonly stored: StoredMessage;
}

interface Waiting {
  readonly sequence: number;
  readonly attempt: number;
  readonly redelivered: boolean;
  readonly stored: StoredMessage;
  readonly expiry?: NodeJS.Timeout | undefined;
}

export interface MemoryConsumer {
  readonly intake: Intake<Entry>;
  readonly prefetch: number;
  readonly unsettled: Set<Entry>;
}

export interface MemoryQueueOptions {
  readonly maxLength?: number | undefined;
  /** Takes a dead message to the dead-letter queue. */
  readonly bury: (stored: StoredMessage, reason: string) => void;
  /** Called when the queue expires for want of consumers. */
  readonly onExpired: () => void;
}

export class MemoryQueue {
  readonly queue: Queue;
  readonly #options: MemoryQueueOptions;
  readonly #waiting: Waiting[] = [];
  readonly #consumers: MemoryConsumer[] = [];
  #nextSequence = 0;
  #nextConsumer = 0;
  #expiry: NodeJS.Timeout | undefined;

  constructor(queue: Queue, options: MemoryQueueOptions) {
    this.queue = queue;
    this.#options = options;
    this.#watchUse();
  }

  /** Messages waiting for a consumer. */
  get length(): number {
    return this.#waiting.length;
  }

  /** Throws `overloaded` when `count` more messages do not fit. Dead-letter queues take everything. */
  reserve(count: number): void {
    const limit = this.#options.maxLength ?? maxQueueLength;
    if (isDeadQueue(this.queue) || this.#waiting.length + count <= limit) return;
    throw new CogmeshError('overloaded', `queue ${this.queue.name} is full`, {
      queue: this.queue.name,
      maxLength: limit,
    });
  }

  push(stored: StoredMessage): void {
    const sequence = this.#nextSequence++;
    this.#waiting.push(this.#expiring({ sequence, attempt: 0, redelivered: false, stored }));
    this.#pump();
  }

  attach(intake: Intake<Entry>, prefetch = defaultPrefetch): MemoryConsumer {
    const consumer: MemoryConsumer = { intake, prefetch, unsettled: new Set() };
    this.#consumers.push(consumer);
    this.#watchUse();
    this.#pump();
    return consumer;
  }

  /** Gives the consumer nothing more; what it still holds it may still settle. */
  detach(consumer: MemoryConsumer): void {
    const index = this.#consumers.indexOf(consumer);
    if (index >= 0) this.#consumers.splice(index, 1);
    this.#watchUse();
  }

  settle(consumer: MemoryConsumer, settled: readonly Settled<Entry>[]): void {
    for (const { received, outcome } of settled) {
      if (consumer.unsettled.delete(received)) this.#conclude(received, outcome);
    }
    this.#pump();
  }

  /** The consumer died: all it held is delivered again and counts as delivered. */
  lose(consumer: MemoryConsumer): void {
    this.detach(consumer);
    this.settle(
      consumer,
      [...consumer.unsettled].map((received) => ({ received, outcome: 'retry' })),
    );
  }

  /** Ends every timer. */
  close(): void {
    clearTimeout(this.#expiry);
    for (const { expiry } of this.#waiting) clearTimeout(expiry);
    this.#waiting.length = 0;
  }

  #conclude(entry: Entry, outcome: Outcome): void {
    if (outcome === 'ack') return;
    if (outcome === 'return') return this.#restore(entry, entry.attempt);
    if (isDeadQueue(this.queue)) return this.#restore(entry, entry.attempt + 1);
    if (outcome === 'dead') return this.#bury(entry.stored, 'rejected');
    const limit = this.queue.kind === 'durable' ? (this.queue.deliveryLimit ?? defaultDeliveryLimit) : 1;
    if (entry.attempt < limit) this.#restore(entry, entry.attempt + 1);
    else this.#bury(entry.stored, 'delivery_limit');
  }

  #bury(stored: StoredMessage, reason: string): void {
    if (this.queue.kind === 'durable' && !isDeadQueue(this.queue)) this.#options.bury(stored, reason);
  }

  #restore({ sequence, stored }: Entry, attempt: number): void {
    const after = this.#waiting.findIndex((other) => other.sequence > sequence);
    const restored = this.#expiring({ sequence, attempt, redelivered: true, stored });
    this.#waiting.splice(after < 0 ? this.#waiting.length : after, 0, restored);
  }

  #expiring(waiting: Waiting): Waiting {
    const { expirationMs } = waiting.stored;
    if (expirationMs === undefined) return waiting;
    const expiry = setTimeout(() => this.#expire(waiting.sequence), expirationMs).unref();
    return { ...waiting, expiry };
  }

  #expire(sequence: number): void {
    const index = this.#waiting.findIndex((other) => other.sequence === sequence);
    const [expired] = index < 0 ? [] : this.#waiting.splice(index, 1);
    if (expired) this.#bury(expired.stored, 'expired');
  }

  #pump(): void {
    while (this.#waiting.length > 0) {
      const consumer = this.#freeConsumer();
      const next = consumer && this.#waiting.shift();
      if (!next) return;
      clearTimeout(next.expiry);
      const { sequence, stored, attempt, redelivered } = next;
      const entry: Entry = { sequence, stored, attempt, delivery: { ...stored.message, redelivered } };
      consumer.unsettled.add(entry);
      consumer.intake.accept(entry);
    }
  }

  /** Round-robin among the consumers that have room. */
  #freeConsumer(): MemoryConsumer | undefined {
    for (let tried = 0; tried < this.#consumers.length; tried += 1) {
      const consumer = this.#consumers[this.#nextConsumer++ % this.#consumers.length];
      if (consumer && consumer.unsettled.size < consumer.prefetch) return consumer;
    }
    return undefined;
  }

  #watchUse(): void {
    clearTimeout(this.#expiry);
    const { expiresMs } = this.queue;
    if (expiresMs === undefined || this.#consumers.length > 0) return;
    this.#expiry = setTimeout(() => {
      this.close();
      this.#options.onExpired();
    }, expiresMs).unref();
  }
}
