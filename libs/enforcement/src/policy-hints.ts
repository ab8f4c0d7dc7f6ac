/**
 * `bundle.published.v1` and `revocations.changed.v1` on `policy.events`: look for changed policies now instead of at the next question. A hint; whoever misses
 * one asks within a second anyway.
 */
import type { Bus, Consumer, Exchange } from '@cogmesh/bus';

const policyEvents: Exchange = { name: 'policy.events', type: 'topic' };

/** Each connection has a queue of its own, named after its service as the broker's rights want it. */
export function followPolicyHints(
  bus: Pick<Bus, 'consume'>,
  service: string,
  poke: () => Promise<void>,
): Promise<Consumer> {
  const keys = ['bundle.published.v1', 'revocations.changed.v1'];
  const bindings = keys.map((routingKey) => ({ exchange: policyEvents, routingKey }));
  return bus.consume({ name: `${service}.policy-hints`, kind: 'transient', bindings }, async (deliveries) => {
    await poke().catch(() => {});
    return deliveries.map(() => 'ack');
  });
}
