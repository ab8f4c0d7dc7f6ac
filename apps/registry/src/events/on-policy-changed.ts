/** `issuers.changed.v1` and `bundle.published.v1` on `policy.events`: look now instead of at the next interval. */
import type { Bus, Consumer, Exchange, Queue } from '@cogmesh/bus';
import type { Enforcement } from '@cogmesh/enforcement';
import type { IssuerDirectory } from '../admission/issuer-directory.js';

const policyEvents: Exchange = { name: 'policy.events', type: 'topic' };

const queue: Queue = {
  name: 'registry.policy-events',
  kind: 'transient',
  bindings: ['issuers.changed.v1', 'bundle.published.v1'].map((routingKey) => ({ exchange: policyEvents, routingKey })),
};

export function onPolicyChanged(
  bus: Bus,
  issuers: IssuerDirectory,
  enforcement: Pick<Enforcement, 'poke'>,
): Promise<Consumer> {
  return bus.consume(queue, async ([delivery]) => {
    // A hint may fail: the interval looks again.
    if (delivery?.routingKey === 'issuers.changed.v1') await issuers.refresh().catch(() => {});
    else await enforcement.poke().catch(() => {});
    return ['ack'];
  });
}
