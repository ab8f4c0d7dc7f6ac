/** Sends collected renewals to the scheduler, and what it no longer knows back to the agents as a cancellation. */
import type { schedulerV1 } from '@cogmesh/contracts';
import type { HeldAttempts, LeaseRenewals } from '@cogmesh/registry-core';
import type { Client } from '@cogmesh/rpc';
import type { Logger } from '@cogmesh/telemetry';
import type { RelayDesk } from '../relay/relay-desk.js';
import type { AgentStreams } from './agent-streams.js';
import { untraced } from '@cogmesh/telemetry';

export interface LeaseForwarderOptions {
  readonly renewals: LeaseRenewals;
  readonly scheduler: Pick<Client<typeof schedulerV1.SchedulerService>, 'renewLeases'>;
  readonly streams: AgentStreams;
  readonly relays: RelayDesk;
  readonly logger: Logger;
}

/** Less than a lease lasts, so that a lost call can still be repeated. */
const RENEW_DEADLINE_MS = 3_000;

export class LeaseForwarder {
  readonly #options: LeaseForwarderOptions;
  #sending: Promise<void> | undefined;

  constructor(options: LeaseForwarderOptions) {
    this.#options = options;
  }

  /** Sends when it is time to; one call at a time. */
  tick(): void {
    if (this.#sending !== undefined || !this.#options.renewals.due()) return;
    this.#sending = this.#send().finally(() => (this.#sending = undefined));
  }

  async #send(): Promise<void> {
    const { renewals, scheduler, logger } = this.#options;
    const batch = renewals.take();
    try {
      const agents = batch.map(({ agentId, attemptIds }) => ({ agentId, attemptIds: [...attemptIds] }));
      const { unknownAttemptIds } = await untraced(() =>
        scheduler.renewLeases({ agents }, { deadlineMs: RENEW_DEADLINE_MS }),
      );
      this.#cancel(batch, new Set(unknownAttemptIds));
    } catch (error) {
      renewals.putBack(batch);
      logger.warn({ err: error, agents: batch.length }, 'leases could not be renewed; trying again');
    }
  }

  #cancel(batch: readonly HeldAttempts[], unknown: ReadonlySet<string>): void {
    if (unknown.size === 0) return;
    for (const { agentId, attemptIds } of batch) {
      const dropped = attemptIds.filter((id) => unknown.has(id));
      if (dropped.length === 0) continue;
      this.#options.relays.relay(agentId)?.unwanted(dropped);
      this.#options.streams.get(agentId)?.cancel(dropped, 'the scheduler does not want these attempts any more');
    }
  }
}
