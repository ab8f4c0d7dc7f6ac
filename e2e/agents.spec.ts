/**
 * Agents of users in a cluster, with the real broker and database: what they say on the way reaches whoever watches, what one that
 * dies had started is done by another at once, inputs they do not take are refused, and a result that died on its way is replayed.
 */
import { join } from 'node:path';
import { messageTo, openRabbit } from '@cogmesh/bus';
import { workV1 } from '@cogmesh/contracts';
import { type Database, openPostgres, sql } from '@cogmesh/database';
import type { Cluster } from '@cogmesh/mesh';
import {
  type Agent,
  type CogmeshClient,
  createAgent,
  type Handler,
  type HandlerOptions,
  type RunView,
} from '@cogmesh/sdk';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startTestCluster } from './src/cluster.js';
import { History } from './src/history.js';
import { until } from './src/poll.js';
import { cleanEnvironment, killHard, type RunningCommand, startCommand } from './src/processes.js';
import { refusalOf } from './src/refusal.js';
import { createWorld, type World } from './src/world.js';

/** The lease is 10 s; what is done by another sooner did not wait for it. */
const TAKEN_OVER_WITHIN_MS = 6_000;

let world: World;
let cluster: Cluster;
let client: CogmeshClient;
let agents: Agent[] = [];

beforeAll(async () => {
  world = await createWorld();
  cluster = await startTestCluster(world);
  client = world.client(cluster.url, 'acme', 'operator');
});
afterEach(async () => {
  await Promise.all(agents.map((agent) => agent.stop({ graceMs: 100 })));
  agents = [];
});
afterAll(async () => {
  await cluster?.stop();
  await world?.remove();
});

async function serve(tool: string, handler: Handler<never>, options: HandlerOptions = {}): Promise<Agent> {
  const token = await world.token('acme', 'operator');
  const agent = createAgent({ registry: cluster.registry, name: tool, stopOn: [], token });
  agents.push(agent);
  await agent.handle(tool, handler, options).start();
  return agent;
}

const stateOf = async (run: RunView) => (await client.getRun(run.id)).tasks?.map(({ state }) => state);
const whenRunning = (run: RunView, count = 1) =>
  until('the tasks run', async () => (await stateOf(run))?.filter((state) => state === 'RUNNING').length === count);

it('what a handler says while it works reaches a watching client, in order and before the end', async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  await serve('acme/talk', (_input, ctx) => {
    ctx.log('beginning');
    ctx.partial({ text: 'once upon' });
    ctx.log('going on');
    ctx.progress({ done: 0.5 });
    return promise;
  });
  const run = await client.submitRun({ tasks: [{ id: 'talk', uses: 'tool:acme/talk' }] });
  const history = History.follow(client, run.id);
  const said = () => history.events.filter(({ type }) => type === 'task.progress').map(({ data }) => data);
  await until('four words', () => said().length >= 4, { timeoutMs: 10_000 });
  expect(said()).toEqual([
    { log: 'beginning' },
    { partial: { text: 'once upon' } },
    { log: 'going on' },
    { done: 0.5 },
  ]);
  expect(await stateOf(run)).toEqual(['RUNNING']);
  resolve('the end');
  await history.whenDone(10_000);
  expect(history.gaps).toEqual([]);
  expect(await client.taskOutput(run.id, 'talk')).toBe('the end');
});

it('what an agent had started when it was killed is done by another, long before its lease ends', async () => {
  const environment = {
    ...cleanEnvironment(),
    COGMESH_REGISTRY_ADDRESS: cluster.registry,
    TOKEN: await world.token('acme', 'operator'),
  };
  const program = join(import.meta.dirname, 'src/holding-agent.ts');
  const victim: RunningCommand = startCommand(process.execPath, ['--no-warnings', program], { environment });
  try {
    const tasks = ['a', 'b', 'c'].map((id) => ({ id, uses: 'tool:acme/hold' }));
    const run = await client.submitRun({ tasks });
    await whenRunning(run, tasks.length);
    await serve('acme/hold', (_input, { attempt }) => attempt, { concurrency: 4 });
    const killedMs = Date.now();
    killHard(victim.pid);
    const ended = await client.waitForRun(run.id, { timeoutMs: 20_000 });
    expect(Date.now() - killedMs).toBeLessThan(TAKEN_OVER_WITHIN_MS);
    expect(ended.tasks?.map(({ state, attempt }) => [state, attempt])).toEqual(tasks.map(() => ['SUCCEEDED', 2]));
  } finally {
    killHard(victim.pid);
    await victim.ended;
  }
});

it('an input that an agent does not take is refused at submit, and what it takes is told', async () => {
  const inputSchema = { type: 'object', required: ['size'], properties: { size: { type: 'integer', maximum: 9 } } };
  await serve('acme/sized', ({ size }: { size: number }) => size, { inputSchema });
  const submit = (size: unknown) =>
    client.submitRun({ input: { size: 12 }, tasks: [{ id: 'sized', uses: 'tool:acme/sized', input: { size } }] });
  await until('the schema is known', async () => {
    const capabilities = (await client.agents()).flatMap((agent) => agent.capabilities);
    return capabilities.find(({ name }) => name === 'tool:acme/sized')?.inputSchema;
  });
  const refusal = await until('the scheduler knows it', () => refusalOf(submit('12')));
  expect(refusal).toMatchObject({
    code: 'invalid_input',
    details: {
      status: 400,
      issues: [{ path: 'tasks[0].input.size', message: 'must be a whole number, is the text "12"' }],
    },
  });
  const computed = await client.waitForRun((await submit('${{ input.size }}')).id, { timeoutMs: 10_000 });
  expect(computed.tasks?.[0]).toMatchObject({
    state: 'FAILED',
    attempt: 0,
    error: {
      code: 'invalid_input',
      message: expect.stringContaining('input.size: must be at most 9, is 12') as unknown,
    },
  });
});

describe('a dead letter', () => {
  let admin: CogmeshClient;
  let database: Database;
  beforeAll(async () => {
    admin = world.client(cluster.url, 'acme', 'admin');
    database = await openPostgres(cluster.backend.databaseUrlOf('scheduler'), { schema: 'scheduler' });
  });
  afterAll(() => database?.close());

  const letter = (text: string) =>
    until('the dead letter', async () =>
      (await admin.scheduling.deadLetters()).find(({ body }) => Buffer.from(body, 'base64').includes(text)),
    );

  /** As the worker: a result, or what only looks like one. */
  async function publish(
    queue: string,
    body: Uint8Array | Parameters<typeof messageTo<typeof workV1.ResultBatchSchema>>[2],
  ) {
    const bus = await openRabbit({ url: cluster.backend.amqpUrlOf('worker'), identity: 'worker' });
    const batch = body instanceof Uint8Array ? {} : body;
    const message = messageTo({ queue }, workV1.ResultBatchSchema, batch);
    await bus.publish([body instanceof Uint8Array ? { ...message, body } : message]);
    await bus.close();
  }

  it('that was a result ends its task when it is replayed', async () => {
    await serve('acme/silent', () => new Promise(() => {}));
    const run = await client.submitRun({ tasks: [{ id: 'silent', uses: 'tool:acme/silent' }] });
    await whenRunning(run);
    const [row] = await database.query<{ attempt_id: string }>(
      sql`select attempt_id from tasks where run_id = ${run.id} and attempt_id is not null`,
    );
    const attemptId = row?.attempt_id ?? '';
    const outcome = { case: 'outputJson', value: '"from the dead"' } as const;
    await publish('scheduler.results.dead', { results: [{ attemptId, runId: run.id, agentId: 'agent_x', outcome }] });
    const { id, queue } = await letter(attemptId);
    expect(queue).toBe('scheduler.results');
    expect(await stateOf(run)).toEqual(['RUNNING']);
    await admin.scheduling.replayDeadLetter(id);
    expect((await client.waitForRun(run.id, { timeoutMs: 10_000 })).state).toBe('SUCCEEDED');
    expect(await client.taskOutput(run.id, 'silent')).toBe('from the dead');
    expect((await admin.scheduling.deadLetters()).map((each) => each.id)).not.toContain(id);
    expect(await refusalOf(admin.scheduling.replayDeadLetter(id))).toMatchObject({ code: 'not_found' });
  });

  it('that nobody can read was rejected by its consumer, and stays when it is replayed', async () => {
    await publish('scheduler.results', Buffer.from('\xffnot a result'));
    const { id, reason } = await letter('not a result');
    expect(reason).toBe('rejected');
    expect(await refusalOf(admin.scheduling.replayDeadLetter(id))).toMatchObject({ code: 'failed_precondition' });
    expect((await admin.scheduling.deadLetters()).map((each) => each.id)).toContain(id);
    expect(await refusalOf(client.scheduling.replayDeadLetter(id))).toMatchObject({ code: 'permission_denied' });
  });
});
