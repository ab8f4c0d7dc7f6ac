/** `issuers.changed.v1` on `policy.events`: look now instead of at the next interval. */
import type { Bus, Consumer, Exchange, Queue } from '@cogmesh/bus';
import type { IssuerDirectory } from '../admission/issuer-directory.js';

const policyEvents: Exchange = { name: 'policy.events', type: 'topic' };

const queue: Queue = {
  name: 'registry.issuers-changed',
  kind: 'transient',
  bindings: [{ exchange: policyEvents, routingKey: 'issuers.changed.v1' }],
};

/** `then` is told when the new list is there. */
export function onIssuersChanged(bus: Bus, issuers: IssuerDirectory, then: () => void): Promise<Consumer> {
  return bus.consume(queue, async (deliveries) => {
    // A hint may fail: the interval looks again.
    await issuers.refresh().then(then, () => {});
    return deliveries.map(() => 'ack');
  });
}
