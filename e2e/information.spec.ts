/**
 * What is true of an agent decides, in a cluster where every service and sidecar is a process: who may use it while it is ready may not
 * soon after it was killed.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cluster } from '@cogmesh/mesh';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestCluster } from './src/cluster.js';
import { until } from './src/poll.js';
import { cleanEnvironment, killHard, type RunningCommand, startCommand } from './src/processes.js';
import { createWorld, demoFile, type Organisation, type PolicySet, type World } from './src/world.js';

/** The registry waits 3 s for an agent whose stream broke; its answer counts for 1 s. The rest is the machine's. */
const FLIPS_WITHIN_MS = 10_000;

let world: World;
let cluster: Cluster;
let agent: RunningCommand;

async function policiesOf(organisation: Organisation): Promise<PolicySet> {
  const set = JSON.parse(await readFile(demoFile(`policies/${organisation}.json`), 'utf8')) as PolicySet;
  const ready = { id: 'use-ready', policy: "resource.attributes.state == 'READY'" };
  const policies = [...(set['policies'] as unknown[]), { ...ready, permissions: ['use'], resources: ['/agents/*'] }];
  return { ...set, policies };
}

beforeAll(async () => {
  world = await createWorld({ policiesOf });
  cluster = await startTestCluster(world);
  const token = await world.token('acme', 'operator');
  const environment = { ...cleanEnvironment(), COGMESH_REGISTRY_ADDRESS: cluster.registry, TOKEN: token };
  const program = join(import.meta.dirname, 'src/holding-agent.ts');
  agent = startCommand(process.execPath, ['--no-warnings', program], { environment });
});
afterAll(async () => {
  if (agent !== undefined) killHard(agent.pid);
  await agent?.ended;
  await cluster?.stop();
  await world?.remove();
});

async function call(path: string, body?: unknown): Promise<Record<string, unknown>> {
  const headers = {
    authorization: `Bearer ${await world.token('acme', 'operator')}`,
    'content-type': 'application/json',
  };
  const init = body === undefined ? { headers } : { method: 'POST', headers, body: JSON.stringify(body) };
  const response = await fetch(`${cluster.url}${path}`, init);
  expect(response.status).toBe(200);
  return (await response.json()) as Record<string, unknown>;
}

async function mayUse(id: string): Promise<unknown> {
  const subject = { type: 'user', id: 'operator-of-acme' };
  const question = { subject, action: { name: 'use' }, resource: { type: 'agent', id } };
  return (await call('/access/v1/evaluation', question))['decision'];
}

it('who may use an agent that is ready may not once it is lost', async () => {
  const id = await until('the agent is known', async () => {
    const { agents } = await call('/v1/agents');
    return (agents as { id: string; name: string }[]).find(({ name }) => name === `hold-${agent.pid}`)?.id;
  });
  expect(await mayUse(id)).toBe(true);
  killHard(agent.pid);
  await until('it may not be used', async () => (await mayUse(id)) === false, { timeoutMs: FLIPS_WITHIN_MS });
});
