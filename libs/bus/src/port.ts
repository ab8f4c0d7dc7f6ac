/**
 * The bus port. A queue is a value that knows its name, durability and dead-letter queue; adapters declare what they are
 * given and declare it again after a reconnect. Delivery is at least once; consumers must be idempotent.
 */

export interface Exchange {
  readonly name: string;
  readonly type: 'topic' | 'direct';
}

export interface Queue {
  readonly name: string;
  /** Exchange and routing keys it is bound to; none for a queue that is addressed by name. */
  readonly bindings?: readonly { readonly exchange: Exchange; readonly routingKey: string }[];
  /**
   * `durable`: a quorum queue, survives the broker, has `<name>.dead` beside it for what fails `deliveryLimit` times.
   * `transient`: exclusive to this connection and gone with it; for hints and wake-ups. Two connections that declare the
   * same transient queue each have their own, so it is reached by its bindings only, never by name.
   */
  readonly kind: 'durable' | 'transient';
  /** Redeliveries before a message is dead-lettered. Default 3. Durable queues only. */
  readonly deliveryLimit?: number;
  /** Removed by the broker when nobody consumed for this long, milliseconds (per-agent queues). */
  readonly expiresMs?: number;
}

/** How long the dead-letter queue of a queue with `expiresMs` is kept when nobody consumes it: 7 days. */
const deadQueueKeptMs = 604_800_000;

/** The dead-letter queue that stands beside a durable queue. */
export function deadQueueOf(queue: Queue): Queue {
  const name = `${queue.name}.dead`;
  return queue.expiresMs === undefined
    ? { name, kind: 'durable' }
    : { name, kind: 'durable', expiresMs: deadQueueKeptMs };
}

export interface OutgoingMessage {
  /** An exchange with a routing key, or a queue by name. */
  readonly to: { readonly exchange: Exchange; readonly routingKey: string } | { readonly queue: string };
  /** Full protobuf message name, for example `cogmesh.inference.v1.WorkBatch`. */
  readonly type: string;
  readonly body: Uint8Array;
  /** Unique id; a new one is made when absent. */
  readonly id?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * Milliseconds. Not delivered within this time, it goes to the dead-letter queue with reason `expired` (durable queues)
   * or is dropped (transient ones).
   */
  readonly expirationMs?: number;
}

export interface Delivery {
  readonly id: string;
  readonly type: string;
  readonly body: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
  readonly routingKey: string;
  /** The sender as the broker authenticated it (AMQP validated user-id); empty when the broker did not say. */
  readonly sender: string;
  readonly redelivered: boolean;
  /** Why and from where it was dead-lettered; only on dead-letter queues. */
  readonly death?: { readonly queue: string; readonly reason: string };
}

/** What a handler decided about one delivery. */
export type Verdict =
  | 'ack'
  /** Deliver again after a back-off (counts against the delivery limit). A transient queue delivers twice at most. */
  | 'retry'
  /** To the dead-letter queue now. */
  | 'dead';

export interface ConsumeOptions {
  /** Unacknowledged deliveries at once. Default 100. */
  readonly prefetch?: number;
  /** Deliveries handed over together; the handler answers one verdict each, in order. Default 1. */
  readonly maxBatch?: number;
  /** Handlers running at once. Default: one when maxBatch is over 1 (so that batches form), otherwise prefetch. */
  readonly concurrency?: number;
  /** Wait before a retried delivery is handed back, milliseconds; doubles with each delivery up to 5 s. Default 100. */
  readonly retryDelayMs?: number;
}

/**
 * A handler that throws counts as `retry` for every delivery of the batch, except that after a CogmeshError `unavailable`
 * (a database that is down) the same batch is handed over again, with back-off, without counting against the limit.
 */
export type Handler = (deliveries: readonly Delivery[]) => Promise<readonly Verdict[]>;

export interface Consumer {
  /** Stops taking deliveries, waits for the running handlers, hands the rest back. */
  stop(): Promise<void>;
}

export interface Bus {
  /** Whether messages survive a restart of this process. The memory adapter's do not. */
  readonly durable: boolean;
  /** Declares exchanges and queues, now and after each reconnect. */
  declare(topology: { readonly exchanges?: readonly Exchange[]; readonly queues?: readonly Queue[] }): Promise<void>;
  /**
   * Resolves when the broker has confirmed every message. Rejects with `unavailable` when it did not
   * (some may have arrived all the same), with `not_found` when a message reached no queue although it is addressed to one,
   * with `overloaded` when a queue is full, with `permission_denied` when this identity may not publish there.
   */
  publish(messages: readonly OutgoingMessage[]): Promise<void>;
  consume(queue: Queue, handler: Handler, options?: ConsumeOptions): Promise<Consumer>;
  /** Rejects with `unavailable` while there is no connection. */
  ping(): Promise<void>;
  close(): Promise<void>;
}
