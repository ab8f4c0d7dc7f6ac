/**
 * The decision log of the product all in one: what was refused is in it although the process was killed in the middle, both sides of a
 * call across organisations have it, and a change to the database is found by who verifies, with the place.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { freePorts } from '@cogmesh/backends';
import type { AuditEntryView, AuditVerificationView, CogmeshClient } from '@cogmesh/sdk';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type AllInOne, startUp } from './src/all-in-one.js';
import { until } from './src/poll.js';
import { mainOf, runCommand } from './src/processes.js';
import { refusalOf } from './src/refusal.js';
import { createWorld, demoFile, type Organisation, type PolicySet, type World } from './src/world.js';

const REFUSALS = 200;
const CRASH_AFTER = 60;

let world: World;
let port: number;
let mesh: AllInOne;

/** As in the demo, where administrators of acme read the log, and with auditors at globex who do. */
async function policiesOf(organisation: Organisation): Promise<PolicySet> {
  const set = JSON.parse(await readFile(demoFile(`policies/${organisation}.json`), 'utf8')) as PolicySet;
  if (organisation === 'acme') return set;
  const auditors = { id: 'auditors', policy: "org_id == 'globex' && role == 'auditor'" };
  const policies = [...(set['policies'] as unknown[]), { ...auditors, permissions: ['read'], resources: ['/audit'] }];
  return { ...set, roles: { ...set.roles, auditor: {} }, policies };
}

const readerAt = (organisation: Organisation) => (organisation === 'acme' ? 'admin' : 'auditor');

beforeAll(async () => {
  world = await createWorld({ policiesOf });
  [port = 0] = await freePorts(1);
  mesh = await startUp(world, { port });
});
afterAll(async () => {
  await mesh?.stop();
  await world?.remove();
});

const script = { tasks: [{ id: 'a', uses: 'script', script: 'return 1' }] };

async function entriesOf(client: CogmeshClient, filter: { readonly denied?: boolean; readonly cross?: boolean }) {
  const entries: AuditEntryView[] = [];
  for (let cursor: string | undefined; ;) {
    const page = await client.audit.list({ ...filter, limit: 500, ...(cursor === undefined ? {} : { cursor }) });
    entries.push(...page.entries);
    if (page.nextCursor === null) return entries;
    cursor = page.nextCursor;
  }
}

async function verify(organisation: Organisation, ...options: string[]) {
  const token = await world.token(organisation, readerAt(organisation));
  const asked = ['--no-warnings', mainOf('cli'), 'policy', 'audit', 'verify', '--json', ...options];
  const { code, stdout, stderr } = await runCommand(process.execPath, [...asked, '--url', mesh.url, '--token', token]);
  if (stdout === '') throw new Error(stderr);
  return { code, ...(JSON.parse(stdout) as AuditVerificationView) };
}

it('has every refusal that was answered once, although everything was killed in the middle', async () => {
  const viewer = world.client(mesh.url, 'globex', 'viewer');
  const answered: string[] = [];
  const refusals = Array.from({ length: REFUSALS }, async () => {
    const { details } = await refusalOf(viewer.submitRun(script));
    if (details['decisionId'] !== undefined) answered.push(String(details['decisionId']));
  });
  const settled = Promise.allSettled(refusals);
  await until('some were refused', () => answered.length >= CRASH_AFTER);
  await mesh.crash();
  mesh = await startUp(world, { port });
  await settled;
  expect(answered.length).toBeGreaterThanOrEqual(CRASH_AFTER);
  const auditor = world.client(mesh.url, 'globex', 'auditor');
  const logged = async () => (await entriesOf(auditor, { denied: true })).map(({ decisionId }) => decisionId);
  await until('what was answered is in the log', async () => {
    const ids = new Set(await logged());
    return answered.every((id) => ids.has(id));
  });
  const ids = await logged();
  expect(new Set(ids).size).toBe(ids.length);
  expect(await verify('globex')).toMatchObject({ code: 0, problem: null });
});

it('tells both sides of a call across organisations', async () => {
  const reader = world.client(mesh.url, 'globex', 'reader');
  const detect = { id: 'detect', uses: 'model:acme/ppocr-detect@^4', input: { image: 'none' } };
  // Let in, and then refused by the scheduler for its input: the decision was made all the same.
  await refusalOf(reader.submitRun({ tasks: [detect] }));
  const across = async (organisation: Organisation) =>
    (await entriesOf(world.client(mesh.url, organisation, readerAt(organisation)), { cross: true })).filter(
      ({ resource, point }) => resource === '/models/acme/ppocr-detect' && point === 'gateway',
    );
  await until('the owner has it', async () => (await across('acme')).length > 0);
  const [theirs, ours] = [await across('acme'), await across('globex')];
  expect(theirs.map(({ id }) => id)).toEqual(ours.map(({ id }) => id));
  expect(theirs[0]).toMatchObject({ owner: 'acme', subject: { organisation: 'globex' }, allowed: true });
});

it('shows a change to the database to who verifies, with its place, and one written anew to who kept a hash', async () => {
  const before = await verify('globex');
  expect(await mesh.stop(), mesh.stderr()).toBe(0);
  const database = new DatabaseSync(join(world.directory.path, 'policy', 'policy.sqlite'));
  const block = database
    .prepare("select first_position, content from audit_blocks where organisation = 'globex' order by first_position")
    .get() as { first_position: number; content: Uint8Array };
  const content = Buffer.from(block.content);
  content.write('nobody', content.indexOf('viewer'));
  database
    .prepare("update audit_blocks set content = ? where organisation = 'globex' and first_position = ?")
    .run(content, block.first_position);
  mesh = await startUp(world, { port });
  const found = await verify('globex');
  expect(found).toMatchObject({ code: 1, verified: 0, problem: { position: block.first_position } });
  expect(await verify('acme')).toMatchObject({ code: 0, problem: null });

  database.prepare("delete from audit_blocks where organisation = 'globex'").run();
  database.prepare("delete from audit_chains where organisation = 'globex'").run();
  database.close();
  await refusalOf(world.client(mesh.url, 'globex', 'viewer').submitRun(script));
  await until('there is a chain again', async () => (await verify('globex')).verified > 0);
  const known = ['--known', `${before.position}:${before.hash}`];
  expect(await verify('globex', ...known)).toMatchObject({ code: 1, problem: { position: before.position } });
});
