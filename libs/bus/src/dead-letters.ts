/** Takes dead letters out of the broker into a list of the owner's (a table), where they can be read and replayed. */
import { deadQueueOf, type Bus, type Consumer, type Queue } from './port.js';

export interface DeadLetter {
  readonly id: string;
  /** The queue it died in. */
  readonly queue: string;
  /** `rejected`, `delivery_limit`, `expired` or `maxlen`. */
  readonly reason: string;
  readonly type: string;
  readonly body: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
  readonly sender: string;
}

/** Dead letters stored at once. */
const prefetch = 50;

/**
 * Consumes `<queue>.dead`; a letter leaves the broker when `store` has resolved, so `store` must be idempotent on `id`.
 * A `store` that rejects is tried again with back-off, for ever.
 */
export function consumeDead(bus: Bus, queue: Queue, store: (letter: DeadLetter) => Promise<void>): Promise<Consumer> {
  return bus.consume(
    deadQueueOf(queue),
    async (deliveries) => {
      for (const { id, type, body, headers, sender, death } of deliveries) {
        await store({
          id,
          type,
          body,
          headers,
          sender,
          queue: death?.queue ?? queue.name,
          reason: death?.reason ?? 'unknown',
        });
      }
      return deliveries.map(() => 'ack');
    },
    { prefetch },
  );
}
