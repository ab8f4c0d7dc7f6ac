/**
 * An agent that a pool starts and stops: it serves `tool:acme/render`, one at a time, and notes each call in a file. Runs as it
 * is, and imports only what is built; the environment says where and as whom.
 */
import { appendFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { processEnvironment } from '@cogmesh/config';
import { createAgent } from '@cogmesh/sdk';

const { COGMESH_REGISTRY_ADDRESS: registry = '', TOKEN: token = '', CALLS: calls = '' } = processEnvironment();

const agent = createAgent({ registry, token, name: `render-${process.pid}` });
agent.handle(
  'acme/render',
  async (_input, { taskId }) => {
    await delay(300);
    appendFileSync(calls, `${taskId} ${process.pid}\n`);
    return null;
  },
  { bound: 'cpu' },
);
await agent.start();
await agent.closed;
