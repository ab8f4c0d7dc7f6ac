/** What the sidecar decided reaches the policy service, also what it decided while that was away. */
import { schedulerV1 } from '@cogmesh/contracts';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { SidecarWorld } from './sidecar-world.js';

const getRun = `/${schedulerV1.SchedulerService.typeName}/GetRun`;
const readRun = [{ action: 'read', resource: '/runs/run_1' }];

let world: SidecarWorld;
const scheduler = () => world.client(schedulerV1.SchedulerService);
const guest = ['guest'];

beforeAll(async () => {
  world = await SidecarWorld.open({
    COGMESH_POLICY_MAX_STALENESS_MS: '30000',
    COGMESH_DECISION_LOG_SHIP_MS: '10',
    COGMESH_DECISION_LOG_WINDOW_MS: '10',
    COGMESH_DECISION_LOG_COUNT_MS: '10',
  });
});
afterAll(() => world.close());

it('tells of what it let through and what it refused, for the service it guards', async () => {
  await scheduler().getRun({ runId: 'run_1' }, { metadata: await world.permit({ method: getRun, access: readRun }) });
  await scheduler().submitRun({ documentJson: 'abc' }, { metadata: await world.permit() });
  await expect(scheduler().submitRun({}, { metadata: await world.permit({ roles: guest }) })).rejects.toMatchObject({
    code: 'permission_denied',
  });
  const lines = [
    'scheduler: ann create /runs allowed',
    'scheduler: ann create /runs no_matching_allow',
    'scheduler: ann read /runs/run_1 allowed',
  ];
  await vi.waitFor(() => expect(world.audit.lines.toSorted()).toEqual(lines), { timeout: 10_000 });
});

it('keeps what it refused while nobody takes it, and tells it afterwards, once', async () => {
  world.audit.answers = false;
  world.audit.records.length = 0;
  const refusals = Array.from({ length: 20 }, async () => {
    const metadata = await world.permit({ roles: guest });
    await expect(scheduler().submitRun({}, { metadata })).rejects.toMatchObject({ code: 'permission_denied' });
  });
  await Promise.all(refusals);
  expect(world.audit.lines).toEqual([]);
  world.audit.answers = true;
  await vi.waitFor(() => expect(world.audit.lines).toHaveLength(20), { timeout: 10_000 });
  await world.stopSidecar();
  expect(world.audit.lines).toHaveLength(20);
});
