/** `agent.changed.v1` on `registry.events`: a hint; who needs certainty asks ListAgents. */
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { messageTo, type Bus, type Exchange } from '@cogmesh/bus';
import { eventsV1 } from '@cogmesh/contracts';
import type { AgentChange } from '@cogmesh/registry-core';
import type { Logger } from '@cogmesh/telemetry';

export const registryEvents: Exchange = { name: 'registry.events', type: 'topic' };

export function publishAgentChanged(bus: Bus, logger: Logger): (change: AgentChange, nowMs: number) => void {
  return ({ agent }, nowMs) => {
    const message = messageTo(
      { exchange: registryEvents, routingKey: 'agent.changed.v1' },
      eventsV1.AgentChangedSchema,
      {
        agentId: agent.id,
        organisation: agent.organisation,
        state: agent.state,
        time: timestampFromMs(nowMs),
      },
    );
    bus.publish([message]).catch((error: unknown) => {
      logger.warn({ err: error, agent: agent.id }, 'a change of an agent could not be announced');
    });
  };
}
