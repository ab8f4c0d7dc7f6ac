/** As much of the registry as the gateway asks for: one worker that serves the models named. */
import { registryV1 } from '@cogmesh/contracts';
import { implement, serveRpc } from '@cogmesh/rpc';
import { options, ready } from './child.mjs';

const capabilities = options().models.map((name) => ({ name: `model:${name}@1.0.0`, ready: true }));
const agents = [{ agentId: 'agent_1', state: registryV1.AgentState.READY, capabilities }];
const others = Object.fromEntries(registryV1.RegistryService.methods.map(({ localName }) => [localName, () => {}]));
const binding = implement(registryV1.RegistryService, { ...others, listAgents: async () => ({ agents }) });
const server = await serveRpc({
  address: '127.0.0.1:0',
  services: [binding],
  authenticate: () => ({ kind: 'anonymous' }),
});
ready(server.address);
