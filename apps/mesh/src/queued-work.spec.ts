/** Runs that wait while the rights they rest on end, on the real services: what becomes of their tasks, of what they had, and of who reads it. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gatewayService } from '@cogmesh/gateway';
import { addIssuerKey, developmentIssuerRecord, initialiseKeys, mintDevelopmentToken } from '@cogmesh/identity';
import { policyService } from '@cogmesh/policy';
import { registryService } from '@cogmesh/registry';
import { schedulerService } from '@cogmesh/scheduler';
import { CogmeshClient, createAgent, type Agent } from '@cogmesh/sdk';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { hostServices, type HostedServices } from '../test/host-services.js';

const roles = ['admin', 'analyst', 'reader', 'robot'];
const rule = (id: string, role: string, permissions: string[], resources: string[]) => ({
  ...{ id, policy: `role == '${role}'`, permissions, resources },
});
const administration = rule('admins', 'admin', ['read', 'write'], ['/policies', '/revocations', '/audit']);
const serving = rule('robots', 'robot', ['serve'], ['/tools/acme/*']);
const starting = rule('starters', 'analyst', ['create', 'read'], ['/runs/**']);
const using = rule('users', 'analyst', ['infer'], ['/tools/acme/*']);
const reading = rule('readers', 'reader', ['read'], ['/runs/**']);
const all = [administration, serving, starting, using, reading];

let dir: string;
let services: HostedServices;
let url = '';
let registry = '';
let agent: Agent;
let calls: string[];

const keysDir = () => join(dir, 'keys');
const tokenOf = (sub: string, role: string) =>
  mintDevelopmentToken(keysDir(), { issuerName: 'acme', sub, roles: [role], ttlSeconds: 600 });
const clientOf = (sub: string, role: string) => new CogmeshClient({ baseUrl: url, getToken: () => tokenOf(sub, role) });
const admin = () => clientOf('root', 'admin');

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'queued-work-'));
  await initialiseKeys(keysDir(), { hostOrganisation: 'acme' });
  await mkdir(join(dir, 'bootstrap', 'policies'), { recursive: true });
  await addIssuerKey(keysDir(), 'acme', { organisation: 'acme' });
  const issuer = await developmentIssuerRecord(keysDir(), { issuerName: 'acme', allowedRoles: roles });
  const write = (file: string, value: unknown) => writeFile(join(dir, 'bootstrap', file), JSON.stringify(value));
  await write('organisations.json', [{ name: 'acme' }]);
  await write('issuers.json', [issuer]);
  await write('policies/acme.json', { organisation: 'acme', policies: all });
  services = await hostServices(dir, [policyService, registryService, gatewayService, schedulerService]);
  ({ url, registry } = services);
  await vi.waitFor(() => clientOf('ada', 'analyst').whoami(), { timeout: 15_000 });
}, 60_000);

afterAll(async () => {
  await services.stop();
  await rm(dir, { recursive: true, force: true });
});

beforeEach(async () => {
  calls = [];
  agent = createAgent({ registry, name: 'robot', stopOn: [], token: await tokenOf('robot', 'robot') });
  // The first step takes as long as the test wants; then the second one leaves the queue.
  agent.handle('acme/first', (_input, { signal }) => held(signal));
  agent.handle('acme/second', ({ of }: { of: string }) => {
    calls.push(of);
    return 'done';
  });
  await agent.start();
});
afterEach(async () => {
  await agent.stop({ graceMs: 1_000 });
  await put(all);
});

let release = () => {};
function held(signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    release = () => resolve('first');
    signal.addEventListener('abort', () => reject(new Error('aborted')));
  });
}

/** As soon as it is answered it is in force at the gateway, and a moment later everywhere. */
const put = (policies: readonly object[]) => admin().putPolicies({ organisation: 'acme', policies });

/** A run of ada's whose first step is under way. */
async function waiting(as = clientOf('ada', 'analyst')) {
  const run = await as.submitRun({
    tasks: [
      { id: 'one', uses: 'tool:acme/first' },
      {
        id: 'two',
        uses: 'tool:acme/second',
        depends: ['one'],
        input: { of: '${{ run.id }}' },
        retry: { maxAttempts: 3 },
      },
    ],
  });
  await vi.waitFor(async () => expect((await as.getRun(run.id)).tasks?.[0]?.state).toBe('RUNNING'), 10_000);
  return run.id;
}

const taskOf = async (runId: string) => (await clientOf('rita', 'reader').getRun(runId)).tasks?.[1];
const ended = (runId: string) => clientOf('rita', 'reader').waitForRun(runId, { timeoutMs: 20_000 });

it('a task whose submitter may not do it any more fails under that name, once, and the log says so', async () => {
  const runId = await waiting();
  await put([administration, serving, starting, reading]);
  release();
  expect((await ended(runId)).state).toBe('FAILED');
  expect(await taskOf(runId)).toMatchObject({
    state: 'FAILED',
    attempt: 1,
    error: {
      code: 'permission_denied',
      retryable: false,
      message: expect.stringMatching(/^ada may not any more: infer on \/tools\/acme\/second is denied/) as string,
    },
  });
  expect(calls).toEqual([]);
  await vi.waitFor(async () => {
    const { entries } = await admin().audit.list({ denied: true, sub: 'ada' });
    const told = { point: 'registry', action: 'infer', resource: '/tools/acme/second', code: 'no_matching_allow' };
    expect(entries).toContainEqual(expect.objectContaining(told));
  }, 10_000);
});

it('a task that another rule allows by then is done', async () => {
  const runId = await waiting();
  await put([administration, serving, starting, reading, { ...using, id: 'others', policy: "sub == 'ada'" }]);
  release();
  expect((await ended(runId)).state).toBe('SUCCEEDED');
  expect(calls).toEqual([runId]);
});

it('a task of somebody who is revoked fails as that, and whoever may not read runs any more does not read its output', async () => {
  const zoe = clientOf('zoe', 'analyst');
  const runId = await waiting(zoe);
  const { issuer } = await zoe.whoami();
  await admin().revocations.revoke({ kind: 'subject', issuer, value: 'zoe' });
  release();
  expect((await ended(runId)).state).toBe('FAILED');
  expect(await taskOf(runId)).toMatchObject({ attempt: 1, error: { code: 'revoked', retryable: false } });
  await expect(zoe.taskOutput(runId, 'one')).rejects.toMatchObject({ code: 'revoked' });
  expect(await clientOf('rita', 'reader').taskOutput(runId, 'one')).toBe('first');
  await put([administration, serving, starting, using]);
  await expect(clientOf('rita', 'reader').taskOutput(runId, 'one')).rejects.toMatchObject({
    code: 'permission_denied',
  });
});
