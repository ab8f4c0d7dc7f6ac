import type { Exchange, Handler, Queue } from '@cogmesh/bus';
import type { AgentWatch } from '../engine/agent-watch.js';

const registryEvents: Exchange = { name: 'registry.events', type: 'topic' };

export const agentChangedQueue: Queue = {
  name: 'scheduler.agents',
  kind: 'transient',
  bindings: [{ exchange: registryEvents, routingKey: 'agent.changed.v1' }],
};

/** A hint: the registry is asked, whatever the message says. */
export function onAgentChanged(watch: AgentWatch): Handler {
  return (deliveries) => {
    watch.poke();
    return Promise.resolve(deliveries.map(() => 'ack'));
  };
}
