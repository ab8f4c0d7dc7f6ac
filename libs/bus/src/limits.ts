/** The limits of the bus. A caller may override those of `RabbitLimits`; the rest are the adapters' own. */

/** Unacknowledged deliveries of one consumer at once (ours). */
export const defaultPrefetch = 100;

/** Redeliveries before a message is dead-lettered (ours; RabbitMQ's `x-delivery-limit`). */
export const defaultDeliveryLimit = 3;

/** Messages waiting in one durable queue before publish rejects `overloaded` (ours; RabbitMQ's `x-max-length`). */
export const maxQueueLength = 100_000;

/** Messages sent before their confirms are awaited (ours; bounds the memory of one publish call). */
export const confirmWindow = 1000;

/** Redeliveries of a dead letter: in effect no limit, because there is nowhere further to send it (ours). */
export const deadLetterDeliveryLimit = 1_000_000_000;

/** Back-off of retried deliveries and of handlers that meet an outage, milliseconds. */
export const backoff = { firstMs: 100, factor: 2, maxMs: 5000 } as const;

/** The wait before try number `attempt` (from 0), milliseconds. */
export function backoffMs(attempt: number, firstMs: number = backoff.firstMs): number {
  return Math.min(firstMs * backoff.factor ** Math.min(attempt, 30), backoff.maxMs);
}

export interface RabbitLimits {
  /** How long openRabbit waits for the first connection, milliseconds. Default 30,000. */
  readonly connectTimeoutMs: number;
  /** How long publish, declare and consume wait for a lost connection before they reject `unavailable`. Default 2,000. */
  readonly outageWaitMs: number;
  /** How long declare and consume wait for the broker's answers before they reject `unavailable`. Default 10,000. */
  readonly operationTimeoutMs: number;
  /**
   * How long declare and consume hold back after they created a durable queue. RabbitMQ writes the record of a new queue up
   * to two seconds late; killed before that, it comes back without the queue and what was confirmed in it. Default 3,000.
   */
  readonly newQueueSettleMs: number;
  /** How long publish waits for the confirms of its messages before it rejects `unavailable`. Default 10,000. */
  readonly confirmTimeoutMs: number;
  /** The longest wait between two attempts to reconnect, milliseconds. Default 2,000. */
  readonly maxReconnectDelayMs: number;
  /** How long ping waits for the broker's answer, milliseconds. Default 2,000. */
  readonly pingTimeoutMs: number;
  /** How long close waits for running handlers before it drops the connection, milliseconds. Default 30,000. */
  readonly closeTimeoutMs: number;
  /** Heartbeat negotiated with the broker, seconds; a dead peer is noticed after two. Default 10. */
  readonly heartbeatSeconds: number;
  /** Messages in one durable queue before publish rejects `overloaded` (about; the broker counts loosely). Default 100,000. */
  readonly maxQueueLength: number;
}

export const defaultRabbitLimits: RabbitLimits = {
  connectTimeoutMs: 30_000,
  outageWaitMs: 2000,
  operationTimeoutMs: 10_000,
  newQueueSettleMs: 3000,
  confirmTimeoutMs: 10_000,
  maxReconnectDelayMs: 2000,
  pingTimeoutMs: 2000,
  closeTimeoutMs: 30_000,
  heartbeatSeconds: 10,
  maxQueueLength,
};
