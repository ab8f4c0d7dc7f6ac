/**
 * An agent that is there to be killed: it serves `tool:acme/hold` and never answers. Runs as it is, and imports only what is built;
 * the environment says where and as whom.
 */
import { processEnvironment } from '@cogmesh/config';
import { createAgent } from '@cogmesh/sdk';

const { COGMESH_REGISTRY_ADDRESS: registry = '', TOKEN: token = '' } = processEnvironment();

const agent = createAgent({ registry, token, name: `hold-${process.pid}` });
agent.handle('acme/hold', () => new Promise(() => {}), { concurrency: 4 });
await agent.start();
await agent.closed;
