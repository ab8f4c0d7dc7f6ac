import { messageTo, type Bus, type Exchange } from '@cogmesh/bus';
import { eventsV1 } from '@cogmesh/contracts';
import type { Logger } from '@cogmesh/telemetry';
import type { PolicyHints } from '../policy-hints.js';

export const policyEvents: Exchange = { name: 'policy.events', type: 'topic' };
export const bundlePublishedKey = 'bundle.published.v1';
export const revocationsChangedKey = 'revocations.changed.v1';
const issuersChangedKey = 'issuers.changed.v1';

/** Publishes on `policy.events`. A broker that is away costs the hint, never the write it speaks of. */
export class BusPolicyHints implements PolicyHints {
  readonly #bus: Bus;
  readonly #logger: Logger;

  constructor(bus: Bus, logger: Logger) {
    this.#bus = bus;
    this.#logger = logger;
  }

  bundlePublished(organisation: string, epoch: number): Promise<void> {
    const to = { exchange: policyEvents, routingKey: bundlePublishedKey };
    return this.#publish(messageTo(to, eventsV1.BundlePublishedSchema, { organisation, epoch: BigInt(epoch) }));
  }

  issuersChanged(): Promise<void> {
    return this.#publish(
      messageTo({ exchange: policyEvents, routingKey: issuersChangedKey }, eventsV1.IssuersChangedSchema, {}),
    );
  }

  revocationsChanged(epoch: number): Promise<void> {
    const to = { exchange: policyEvents, routingKey: revocationsChangedKey };
    return this.#publish(messageTo(to, eventsV1.RevocationsChangedSchema, { epoch: BigInt(epoch) }));
  }

  async #publish(message: ReturnType<typeof messageTo>): Promise<void> {
    try {
      await this.#bus.publish([message]);
    } catch (thrown) {
      this.#logger.warn({ err: thrown, type: message.type }, 'a hint could not be published');
    }
  }
}
