/** Decisions that rest on what is true now, on the real services: the state of an agent, and what an organisation's own source says. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gatewayService } from '@cogmesh/gateway';
import {
  addIssuerKey,
  developmentIssuerRecord,
  initialiseKeys,
  mintDevelopmentToken,
  type IssuerRecord,
} from '@cogmesh/identity';
import { policyService } from '@cogmesh/policy';
import { registryService } from '@cogmesh/registry';
import { createAgent, type Agent } from '@cogmesh/sdk';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { hostServices, type HostedServices } from '../test/host-services.js';

const roles = ['robot', 'clerk', 'enforcement-point'];
const rules = [
  { id: 'robots', policy: "role == 'robot'", permissions: ['serve'], resources: ['/tools/acme/*'] },
  {
    id: 'clerks-look',
    policy: "role == 'clerk'",
    permissions: ['list', 'evaluate'],
    resources: ['/agents', '/access'],
  },
  { id: 'clerks-audit', policy: "role == 'clerk'", permissions: ['read'], resources: ['/audit'] },
  { id: 'ready', policy: "resource.attributes.state == 'READY'", permissions: ['use'], resources: ['/agents/*'] },
  {
    id: 'open-hours',
    policy: "role == 'clerk' && resource.attributes.open",
    permissions: ['read'],
    resources: ['/policies'],
  },
];

let dir: string;
let services: HostedServices;
let url = '';
let registry = '';
let source: Server;
let agent: Agent | undefined;
let open: unknown;
let questions: unknown[];

const keysDir = () => join(dir, 'keys');
const tokenOf = (sub: string, role: string) =>
  mintDevelopmentToken(keysDir(), { issuerName: 'acme', sub, roles: [role], ttlSeconds: 600 });

async function ask(path: string, body?: unknown, role = 'clerk') {
  const headers = { authorization: `Bearer ${await tokenOf('kim', role)}`, 'content-type': 'application/json' };
  const init = body === undefined ? { headers } : { method: 'POST', headers, body: JSON.stringify(body) };
  const response = await fetch(`${url}${path}`, init);
  return { status: response.status, body: (await response.json()) as Record<string, never> };
}

async function startSource(): Promise<string> {
  source = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const { resources } = JSON.parse(Buffer.concat(parts).toString()) as { resources: unknown[] };
      questions.push(...resources);
      response.end(JSON.stringify({ resources: resources.map(() => ({ attributes: { open } })) }));
    });
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => source.once('listening', resolve));
  return `http://127.0.0.1:${String((source.address() as AddressInfo).port)}/hours`;
}

async function bootstrap(issuer: IssuerRecord, sourceUrl: string) {
  const write = (file: string, value: unknown) => writeFile(join(dir, 'bootstrap', file), JSON.stringify(value));
  await mkdir(join(dir, 'bootstrap', 'policies'), { recursive: true });
  await write('organisations.json', [{ name: 'acme' }]);
  await write('issuers.json', [issuer]);
  const information = { url: sourceUrl, attributes: { open: 'boolean' }, timeoutMs: 500, ttlMs: 0 };
  await write('policies/acme.json', { organisation: 'acme', information, policies: rules });
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'information-'));
  await initialiseKeys(keysDir(), { hostOrganisation: 'acme' });
  await addIssuerKey(keysDir(), 'acme', { organisation: 'acme' });
  questions = [];
  await bootstrap(
    await developmentIssuerRecord(keysDir(), { issuerName: 'acme', allowedRoles: roles }),
    await startSource(),
  );
  services = await hostServices(dir, [policyService, registryService, gatewayService], {
    COGMESH_POLICY_INFORMATION_PRIVATE_ADDRESSES: '1',
    COGMESH_POLICY_INFORMATION_TTL_MS: '200',
    COGMESH_AUTHZEN_PROPERTIES: 'resource.*',
    COGMESH_DECISION_LOG_SHIP_MS: '10',
    COGMESH_DECISION_LOG_WINDOW_MS: '10',
  });
  ({ url, registry } = services);
  await vi.waitFor(async () => expect((await ask('/v1/agents')).status).toBe(200), { timeout: 15_000 });
}, 60_000);

afterAll(async () => {
  await services.stop();
  source?.closeAllConnections();
  source?.close();
  await rm(dir, { recursive: true, force: true });
});
beforeEach(() => {
  open = true;
  questions = [];
});
afterEach(async () => {
  await agent?.stop({ graceMs: 100 });
  agent = undefined;
});

async function agentId(): Promise<string> {
  agent = createAgent({ registry, name: 'robot', stopOn: [], token: await tokenOf('robot', 'robot') });
  await agent.handle('acme/tool', () => 'done').start();
  const { body } = await ask('/v1/agents');
  return (body['agents'] as unknown as { id: string }[])[0]?.id ?? '';
}

const using = (id: string, properties = {}) => ({
  subject: { type: 'user', id: 'kim' },
  action: { name: 'use' },
  resource: { type: 'agent', id, properties },
});

it('an agent is used while it is ready, and no longer than a moment after it went, whatever is claimed of it', async () => {
  const id = await agentId();
  expect((await ask('/access/v1/evaluation', using(id))).body).toMatchObject({ decision: true });
  await agent?.stop({ graceMs: 100 });
  agent = undefined;
  await vi.waitFor(
    async () => expect((await ask('/access/v1/evaluation', using(id))).body).toMatchObject({ decision: false }),
    { timeout: 5_000, interval: 20 },
  );
  const claimed = await ask('/access/v1/evaluation', using(id, { state: 'READY' }), 'enforcement-point');
  expect(claimed.body).toMatchObject({ decision: false, context: { code: 'no_matching_allow' } });
});

it('an agent that nobody knows is refused for want of its attributes', async () => {
  const { body } = await ask('/access/v1/evaluation', using('agent_unknown'));
  expect(body).toMatchObject({ decision: false, context: { code: 'attribute_unavailable' } });
});

it('a search finds the agents that are ready, and stands in the decision log as one entry', async () => {
  const id = await agentId();
  const search = { ...using(''), resource: { type: 'agent' } };
  expect((await ask('/access/v1/search/resource', search)).body).toMatchObject({ results: [{ type: 'agent', id }] });
  const entries = await vi.waitFor(
    async () => {
      const { body } = await ask('/v1/audit?limit=500');
      const found = (body['entries'] as unknown as { code: string }[]).filter(({ code }) => code === 'searched');
      expect(found).not.toEqual([]);
      return found;
    },
    { timeout: 10_000, interval: 50 },
  );
  expect(entries).toHaveLength(1);
  expect(entries[0]).toMatchObject({ action: 'use', resource: '/agents', allowed: true });
});

it("an organisation's source is heard at the gateway and at the service behind it", async () => {
  expect((await ask('/v1/policies')).status).toBe(200);
  expect(questions).toEqual([{ type: 'policy', id: '', attributes: ['open'] }]);
  open = false;
  expect((await ask('/v1/policies')).status).toBe(403);
});

it('nothing is allowed, and the reason told, when the source says something else than it declared', async () => {
  open = 'yes';
  const { status, body } = await ask('/v1/policies');
  expect(status).toBe(403);
  expect(body).toMatchObject({ policyCode: 'attribute_unavailable' });
  expect(body['detail']).toContain('gave no "open" of the declared type');
});
