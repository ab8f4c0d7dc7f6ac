/**
 * What somebody with a foothold could try, against the cluster: each is refused with a reason, and the work it aimed at goes on
 * as if nothing had happened. The test holds the keys and the broker's passwords because the attacker is given them.
 */
import { randomBytes } from 'node:crypto';
import { messageTo, openRabbit } from '@cogmesh/bus';
import { schedulerV1, workV1 } from '@cogmesh/contracts';
import { type Database, openPostgres, sql } from '@cogmesh/database';
import { loadServiceIdentity } from '@cogmesh/identity';
import type { Cluster } from '@cogmesh/mesh';
import { createClient, openChannel } from '@cogmesh/rpc';
import { type Agent, type CogmeshClient, createAgent, reference, type RunView } from '@cogmesh/sdk';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { modelsReady, startUp } from './src/all-in-one.js';
import { startTestCluster } from './src/cluster.js';
import { until } from './src/poll.js';
import { mainOf, runCommand } from './src/processes.js';
import { refusalOf } from './src/refusal.js';
import { createWorld, type World } from './src/world.js';

const SUBMIT = '/cogmesh.scheduler.v1.SchedulerService/SubmitRun';
const documentJson = JSON.stringify({ tasks: [{ id: 'a', uses: 'script', script: 'return 1' }] });

let world: World;
let cluster: Cluster;
let operator: CogmeshClient;

beforeAll(async () => {
  world = await createWorld();
  cluster = await startTestCluster(world);
  operator = world.client(cluster.url, 'acme', 'operator');
});

afterAll(async () => {
  await cluster?.stop();
  await world?.remove();
});

describe('a forged result', () => {
  let agent: Agent;
  let run: RunView;
  let release: () => void;
  let database: Database;
  let attemptId: string;

  /** A task that is RUNNING until the test lets it go, and its attempt id, which an attacker would have to guess. */
  beforeEach(async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    release = resolve;
    agent = createAgent({
      registry: cluster.registry,
      name: 'holder',
      stopOn: [],
      token: await world.token('acme', 'operator'),
    });
    agent.handle('acme/hold', () => promise.then(() => 'genuine'));
    await agent.start();
    run = await operator.submitRun({
      tasks: [{ id: 'hold', uses: 'tool:acme/hold' }],
      output: '${{ tasks.hold.output }}',
    });
    await until('the task runs', async () => (await operator.getRun(run.id)).tasks?.[0]?.state === 'RUNNING');
    database = await openPostgres(cluster.backend.databaseUrlOf('scheduler'), { schema: 'scheduler' });
    const [row] = await database.query<{ attempt_id: string }>(
      sql`select attempt_id from tasks where run_id = ${run.id} and attempt_id is not null`,
    );
    attemptId = row?.attempt_id ?? '';
  });

  afterEach(async () => {
    release();
    await agent.stop({ graceMs: 1_000 });
    await database.close();
  });

  async function publishAs(user: string, forgedAttemptId: string): Promise<void> {
    const bus = await openRabbit({ url: cluster.backend.amqpUrlOf(user), identity: user });
    try {
      const result = { attemptId: forgedAttemptId, runId: run.id, agentId: agent.id };
      await bus.publish([
        messageTo({ queue: 'scheduler.results' }, workV1.ResultBatchSchema, {
          results: [{ ...result, outcome: { case: 'outputJson', value: '"forged"' } }],
        }),
      ]);
    } finally {
      await bus.close();
    }
  }

  async function endsGenuine(): Promise<void> {
    expect((await operator.getRun(run.id)).tasks?.[0]?.state).toBe('RUNNING');
    release();
    const ended = await operator.waitForRun(run.id, { timeoutMs: 30_000 });
    expect(ended).toMatchObject({ state: 'SUCCEEDED', output: 'genuine' });
  }

  it.each(['gateway', 'policy'])('is refused by the broker from the %s’s user, right attempt or not', async (user) => {
    expect(attemptId).toMatch(/^[0-9a-z]{1,2}-[0-9a-f]{32}$/);
    expect(await refusalOf(publishAs(user, attemptId))).toMatchObject({ code: 'permission_denied' });
    await endsGenuine();
  });

  it('ends as a dead letter when a service sends it that runs no work', async () => {
    await publishAs('scheduler', attemptId);
    const dead = await until('the dead letter', async () => {
      const rows = await database.query<{ queue: string; sender: string; body: string }>(
        sql`select queue, sender, body_base64 as body from dead_letters`,
      );
      return rows.find(({ body }) => Buffer.from(body, 'base64').includes(attemptId));
    });
    expect(dead).toMatchObject({ queue: 'scheduler.results', sender: 'scheduler' });
    await endsGenuine();
  });

  it('changes nothing from a worker that does not know the attempt', async () => {
    await publishAs('worker', randomBytes(16).toString('hex'));
    // Results are taken in order: once a later one was accepted, the forged one was looked at.
    const later = await operator.submitRun({ tasks: [{ id: 'a', uses: 'script', script: 'return 1' }] });
    expect((await operator.waitForRun(later.id, { timeoutMs: 30_000 })).state).toBe('SUCCEEDED');
    await endsGenuine();
  });
});

describe('a permit', () => {
  const clientOf = (address: string) => {
    const channel = openChannel({ target: address });
    return { channel, scheduler: createClient(schedulerV1.SchedulerService, channel) };
  };

  async function mintPermit(method = SUBMIT): Promise<{ metadata: Record<string, string> }> {
    const gateway = await loadServiceIdentity(world.directory.keysDir, 'gateway');
    const { issuer, sub, organisation, roles } = await operator.whoami();
    const subject = { issuer, sub, organisation, roles, tokenId: '', attributes: {} };
    const access = [{ action: 'create', resource: '/runs' }];
    const permit = await gateway.mintPermit({ audience: 'scheduler', method, access, subject });
    return { metadata: { authorization: `Bearer ${permit}` } };
  }

  it('is good for one submit at the sidecar', async () => {
    const { channel, scheduler } = clientOf(cluster.addressOf('scheduler-sidecar'));
    try {
      const permit = await mintPermit();
      const { run } = await scheduler.submitRun({ documentJson, idempotencyKey: '' }, permit);
      expect(run?.organisation).toBe('acme');
      const refusal = await refusalOf(scheduler.submitRun({ documentJson, idempotencyKey: '' }, permit));
      expect(refusal).toMatchObject({ code: 'replayed_permit', message: expect.stringContaining('one call') });
    } finally {
      channel.close();
    }
  });

  it('is good for its own method only', async () => {
    const { channel, scheduler } = clientOf(cluster.addressOf('scheduler-sidecar'));
    try {
      const permit = await mintPermit('/cogmesh.scheduler.v1.SchedulerService/ListRuns');
      expect(await refusalOf(scheduler.submitRun({ documentJson }, permit))).toMatchObject({ code: 'invalid_permit' });
    } finally {
      channel.close();
    }
  });

  it('does not open the service behind the sidecar', async () => {
    const { channel, scheduler } = clientOf(cluster.addressOf('scheduler'));
    try {
      const refusal = await refusalOf(scheduler.submitRun({ documentJson }, await mintPermit()));
      expect(refusal).toMatchObject({ code: 'direct_call', message: expect.stringContaining('sidecar') });
    } finally {
      channel.close();
    }
  });

  it('is needed: a service’s identity does not submit runs', async () => {
    const { channel, scheduler } = clientOf(cluster.addressOf('scheduler-sidecar'));
    try {
      const worker = await loadServiceIdentity(world.directory.keysDir, 'worker');
      const metadata = { authorization: `Bearer ${await worker.serviceToken('scheduler')}` };
      expect(await refusalOf(scheduler.submitRun({ documentJson }, { metadata }))).toMatchObject({
        code: 'permission_denied',
      });
    } finally {
      channel.close();
    }
  });
});

describe('another organisation', () => {
  it('cannot use a blob by naming it inside an input, nor read it', async () => {
    const blob = await operator.uploadBlob(Buffer.from('secret'), { mediaType: 'text/plain' });
    const globex = world.client(cluster.url, 'globex', 'reader');
    const input = { deep: [{ image: reference(blob) }] };
    const submitted = globex.submitRun({ tasks: [{ id: 'a', uses: 'script', script: 'return input', input }] });
    const refusal = await refusalOf(submitted);
    expect([403, 404]).toContain(refusal.details['status']);
    expect(refusal.message).toContain(blob.id);
    expect([403, 404]).toContain((await refusalOf(globex.downloadBlob(blob.id))).details['status']);
  });

  it('sees none of the runs and cannot read or cancel one by id', async () => {
    const run = await operator.submitRun({ tasks: [{ id: 'a', uses: 'script', script: 'return 1' }] });
    const globex = world.client(cluster.url, 'globex', 'reader');
    for (const call of ['getRun', 'output', 'cancelRun', 'trace'] as const) {
      expect([403, 404], call).toContain((await refusalOf(globex[call](run.id))).details['status']);
    }
    for await (const page of globex.listRuns()) expect(page.map(({ id }) => id)).not.toContain(run.id);
  });

  it.each([
    ['globex', 'reader', 'acme/ledger'],
    ['acme', 'operator', 'globex/ledger'],
  ] as const)('%s (%s) cannot serve %s', async (organisation, role, tool) => {
    const token = await world.token(organisation, role);
    const agent = createAgent({ registry: cluster.registry, name: 'impostor', stopOn: [], token });
    agent.handle(tool, () => 'mine');
    const refusal = await refusalOf(agent.start());
    expect(refusal).toMatchObject({ code: 'permission_denied', message: expect.stringContaining(`tool:${tool}`) });
    expect((await operator.agents()).map(({ name }) => name)).not.toContain('impostor');
    await agent.stop();
  });
});

describe('all in one', () => {
  it('refuses a partner whose grant has expired, and says so', async () => {
    const late = await createWorld({ grantExpiresAtMs: Date.now() - 60_000 });
    const mesh = await startUp(late);
    try {
      await modelsReady(() => late.client(mesh.url, 'acme', 'operator').models());
      const uses = 'model:acme/ppocr-detect';
      const submitted = late.client(mesh.url, 'globex', 'reader').submitRun({ tasks: [{ id: 'a', uses }] });
      const refusal = await refusalOf(submitted);
      expect(refusal).toMatchObject({
        code: 'permission_denied',
        message: expect.stringMatching(/grant.*expired/),
        details: { status: 403, policyCode: 'grant_expired' },
      });
    } finally {
      await mesh.stop();
      await late.remove();
    }
  });

  it('does not start with the development issuer on an address others can reach', async () => {
    const args = [mainOf('cli'), 'up', '--listen', '0.0.0.0:0', '--data-dir', world.directory.path];
    const { code, stderr, stdout } = await runCommand(process.execPath, args, { timeoutMs: 30_000 });
    expect(code).toBe(1);
    expect(stdout + stderr).toMatch(/development issuer.*loopback.*0\.0\.0\.0/s);
  });
});
