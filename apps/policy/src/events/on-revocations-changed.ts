/** Another instance of this service revoked something: look at the database now. One's own events find nothing new. */
import { decode, type Bus, type Consumer, type Queue } from '@cogmesh/bus';
import { eventsV1 } from '@cogmesh/contracts';
import type { Logger } from '@cogmesh/telemetry';
import { policyEvents, revocationsChangedKey } from '../adapters/bus-policy-hints.js';
import type { RevocationLedger } from '../revocations/revocation-ledger.js';

const queue: Queue = {
  name: 'policy.revocations-changed',
  kind: 'transient',
  bindings: [{ exchange: policyEvents, routingKey: revocationsChangedKey }],
};

export function onRevocationsChanged(bus: Bus, ledger: RevocationLedger, logger: Logger): Promise<Consumer> {
  return bus.consume(queue, async (deliveries) => {
    for (const delivery of deliveries) {
      if (Number(decode(eventsV1.RevocationsChangedSchema, delivery).epoch) <= ledger.revocations.epoch) continue;
      await ledger.refresh().catch((thrown: unknown) => {
        logger.warn({ err: thrown }, 'revocations could not be read yet; tried again at the next refresh');
      });
    }
    return deliveries.map(() => 'ack');
  });
}
