/** Another instance of this service wrote policies: look at the database now. One's own events find nothing new. */
import { decode, type Bus, type Consumer, type Queue } from '@cogmesh/bus';
import { eventsV1 } from '@cogmesh/contracts';
import type { Logger } from '@cogmesh/telemetry';
import { bundlePublishedKey, policyEvents } from '../adapters/bus-policy-hints.js';
import type { PolicyBook } from '../policy-book.js';

const queue: Queue = {
  name: 'policy.bundle-published',
  kind: 'transient',
  bindings: [{ exchange: policyEvents, routingKey: bundlePublishedKey }],
};

export function onBundlePublished(bus: Bus, book: PolicyBook, logger: Logger): Promise<Consumer> {
  return bus.consume(queue, async (deliveries) => {
    for (const delivery of deliveries) {
      const { organisation, epoch } = decode(eventsV1.BundlePublishedSchema, delivery);
      if (Number(epoch) <= (book.current(organisation)?.epoch ?? 0)) continue;
      await book.refresh().catch((thrown: unknown) => {
        logger.warn(
          { err: thrown, organisation },
          'new policies could not be read yet; tried again at the next refresh',
        );
      });
    }
    return deliveries.map(() => 'ack');
  });
}
