import type { registryV1 } from '@cogmesh/contracts';
import { authorise } from './authority.js';
import type { Operation } from './operation.js';
import { inside } from './permitted-calls.js';
import type { OperationPorts } from './ports.js';
import { right } from './right.js';

type Ports = Pick<OperationPorts, 'decisions' | 'registry'>;

/** The caller's own organisation's agents. */
export function listAgents(ports: Ports): Operation<Record<string, never>, readonly registryV1.Agent[]> {
  return async (request) => {
    await authorise(ports.decisions, request, [right('list', '/agents')]);
    const { organisation } = request.subject;
    const { agents } = await inside('registry', () =>
      ports.registry.listAgents({ organisation }, { signal: request.signal }),
    );
    return agents.filter((agent) => agent.organisation === organisation);
  };
}
