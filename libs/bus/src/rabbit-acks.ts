/**
 * Settles deliveries of one channel. Acks that close a gap-free run from the oldest outstanding delivery go out as one
 * "all up to here"; that is safe only because the channel has this one consumer and its outstanding tags are known here.
 */
import type { Channel, Message } from 'amqplib';
import type { Outcome, Settled } from './intake.js';
import type { RabbitReceived } from './rabbit-delivery.js';

export interface SettlingRules {
  /** Transient queues have no delivery limit at the broker: there the second retry drops the message. */
  readonly transient: boolean;
  /** Dead-letter queues have nowhere to send to: `dead` there means `retry`. */
  readonly deadLetters: boolean;
}

export class RabbitAcks {
  readonly #channel: Channel;
  readonly #rules: SettlingRules;
  /** In order of delivery, which is the order of tags. */
  readonly #outstanding = new Set<number>();

  constructor(channel: Channel, rules: SettlingRules) {
    this.#channel = channel;
    this.#rules = rules;
  }

  received(deliveryTag: number): void {
    this.#outstanding.add(deliveryTag);
  }

  settle(settled: readonly Settled<RabbitReceived>[]): void {
    const acked = new Set<number>();
    for (const { received, outcome } of settled) {
      if (!this.#outstanding.has(received.deliveryTag)) continue;
      if (outcome === 'ack' || this.#dropped(received, outcome)) acked.add(received.deliveryTag);
      else this.#reject(received, outcome !== 'dead' || this.#rules.deadLetters);
    }
    this.#ack(acked);
  }

  #dropped({ redelivered }: RabbitReceived, outcome: Outcome): boolean {
    return this.#rules.transient && outcome === 'retry' && redelivered;
  }

  #reject({ deliveryTag }: RabbitReceived, requeue: boolean): void {
    this.#outstanding.delete(deliveryTag);
    this.#channel.nack(tagged(deliveryTag), false, requeue);
  }

  #ack(acked: Set<number>): void {
    let upTo = 0;
    for (const tag of this.#outstanding) {
      if (!acked.delete(tag)) break;
      upTo = tag;
      this.#outstanding.delete(tag);
    }
    if (upTo > 0) this.#channel.ack(tagged(upTo), true);
    for (const tag of acked) {
      this.#outstanding.delete(tag);
      this.#channel.ack(tagged(tag));
    }
  }
}

/** amqplib settles by message but reads its tag only. */
function tagged(deliveryTag: number): Message {
  return { fields: { deliveryTag } } as Message;
}
