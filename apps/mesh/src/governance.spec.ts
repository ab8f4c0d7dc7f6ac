/** The governance matrix on the real services: who may start the work of a stage at once, who needs another person, who may not. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gatewayService } from '@cogmesh/gateway';
import { addIssuerKey, developmentIssuerRecord, initialiseKeys, mintDevelopmentToken } from '@cogmesh/identity';
import { policyService } from '@cogmesh/policy';
import { governancePolicies, governanceRoles, governanceStages, type StageWork } from '@cogmesh/policy-core';
import { registryService } from '@cogmesh/registry';
import { schedulerService } from '@cogmesh/scheduler';
import { CogmeshClient } from '@cogmesh/sdk';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { parse } from 'yaml';
import { hostServices, type HostedServices } from '../test/host-services.js';

interface Cell {
  readonly stage: string;
  readonly role: string;
  readonly want: 'allow' | 'deny';
  readonly approver?: string;
}
const cells = parse(
  await readFile(new URL('../../../libs/policy-core/testdata/governance.yaml', import.meta.url), 'utf8'),
) as Cell[];

/** What is done in a stage is a tool of that name. */
const work: Record<string, StageWork> = Object.fromEntries(
  governanceStages.map((stage) => [stage, { permissions: ['infer'], resources: [`/tools/acme/${stage}`] }]),
);
const everybody = `role in [${governanceRoles.map((role) => `'${role}'`).join(', ')}]`;
const policies = [
  ...governancePolicies({ work }),
  { id: 'runs', policy: everybody, permissions: ['create', 'read', 'approve'], resources: ['/runs/**'] },
];

let dir: string;
let services: HostedServices;
let url = '';

const keysDir = () => join(dir, 'keys');
const clientOf = (sub: string, role: string) =>
  new CogmeshClient({
    baseUrl: url,
    getToken: () => mintDevelopmentToken(keysDir(), { issuerName: 'acme', sub, roles: [role], ttlSeconds: 600 }),
  });

async function bootstrap(): Promise<void> {
  await mkdir(join(dir, 'bootstrap', 'policies'), { recursive: true });
  await addIssuerKey(keysDir(), 'acme', { organisation: 'acme' });
  const issuer = await developmentIssuerRecord(keysDir(), { issuerName: 'acme', allowedRoles: [...governanceRoles] });
  const write = (file: string, value: unknown) => writeFile(join(dir, 'bootstrap', file), JSON.stringify(value));
  await write('organisations.json', [{ name: 'acme' }]);
  await write('issuers.json', [issuer]);
  await write('policies/acme.json', { organisation: 'acme', policies });
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'governance-'));
  await initialiseKeys(keysDir(), { hostOrganisation: 'acme' });
  await bootstrap();
  services = await hostServices(dir, [policyService, registryService, gatewayService, schedulerService]);
  url = services.url;
  await vi.waitFor(() => clientOf('ada', 'data-scientist').whoami(), { timeout: 15_000 });
}, 60_000);

afterAll(async () => {
  await services.stop();
  await rm(dir, { recursive: true, force: true });
});

const doing = (stage: string) => ({ id: 'work', uses: `tool:acme/${stage}`, input: {} });
const gated = (stage: string, approver: string) => ({
  tasks: [
    { id: 'ok', uses: 'approval', input: { roles: [approver], notBy: 'submitter' as const } },
    { ...doing(stage), depends: ['ok'] },
  ],
});
const refused = (message: string) =>
  expect.objectContaining({ code: 'permission_denied', message: expect.stringContaining(message) as unknown });

describe('the twelve cells', () => {
  it.each(cells)('$stage by a $role: $want $approver', async ({ stage, role, want, approver }) => {
    const ada = clientOf('ada', role);
    const alone = ada.submitRun({ tasks: [doing(stage)] });
    if (want === 'deny') return expect(alone).rejects.toEqual(refused(`governance-${stage}-must-not`));
    if (approver === undefined) return expect((await alone).id).toMatch(/^run_/);
    await expect(alone).rejects.toEqual(refused(`approval of another person with the role ${approver}`));

    const run = await ada.submitRun(gated(stage, approver));
    const approve = (sub: string, as: string) =>
      clientOf(sub, as).scheduling.signalTask(run.id, 'ok', { approved: true, comment: 'seen' });
    await vi.waitFor(async () => {
      const { tasks = [] } = await ada.getRun(run.id);
      expect(tasks.map(({ state }) => state)).toEqual(['WAITING', 'BLOCKED']);
    });
    await expect(approve('ada', approver)).rejects.toEqual(refused('somebody else has to approve it'));
    await expect(approve('bob', role)).rejects.toEqual(refused(`one of the roles ${approver}`));
    expect(await approve('bob', approver)).toMatchObject({ missing: 0 });
    await vi.waitFor(async () => {
      const [gate, governed] = (await ada.getRun(run.id)).tasks ?? [];
      expect([gate?.state, governed?.state]).toEqual(['SUCCEEDED', 'READY']);
    });
    expect(await ada.taskOutput(run.id, 'ok')).toMatchObject({ approvals: [{ by: 'bob', comment: 'seen' }] });
  });
});
