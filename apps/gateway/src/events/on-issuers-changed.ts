import type { Bus, Consumer } from '@cogmesh/bus';
import type { IssuerDirectory } from '../adapters/issuer-directory.js';

const exchange = { name: 'policy.events', type: 'topic' } as const;

/** The policy service says that issuers changed: read the registry now. A hint only; without it the next look is soon. */
export function onIssuersChanged(bus: Bus, issuers: IssuerDirectory): Promise<Consumer> {
  const queue = {
    name: 'gateway.issuers-changed',
    kind: 'transient',
    bindings: [{ exchange, routingKey: 'issuers.changed.v1' }],
  } as const;
  return bus.consume(queue, async (deliveries) => {
    await issuers.refresh();
    return deliveries.map(() => 'ack');
  });
}
