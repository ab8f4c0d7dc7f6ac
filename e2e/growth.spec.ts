/**
 * All in one with a dynamic pool: slots of a tool that waits grow where its agent is, a tool that computes gets agents of its own
 * from a local pool, and both shrink when the load is over. Every task is done once.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePorts } from '@cogmesh/backends';
import { type Agent, type CogmeshClient, createAgent } from '@cogmesh/sdk';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AllInOne, startUp } from './src/all-in-one.js';
import { until } from './src/poll.js';
import { createWorld, type World } from './src/world.js';

const SLOTS = { initial: 2, max: 16 };
const WORK_MS = 100;

let dir: string;
let world: World;
let mesh: AllInOne;
let client: CogmeshClient;
let agent: Agent;
let start: () => Promise<AllInOne>;
const calls: string[] = [];
let running = 0;
let mostRunning = 0;

const callsFile = () => join(dir, 'calls.txt');

/** What an operator would write, with short times. */
async function environment() {
  const render = {
    name: 'render',
    capabilities: ['tool:acme/render'],
    slotsPerAgent: 1,
    max: 2,
    process: {
      command: [process.execPath, '--no-warnings', join(import.meta.dirname, 'src/pool-agent.ts')],
      environment: { TOKEN: await world.token('acme', 'operator'), CALLS: callsFile() },
    },
  };
  const file = join(dir, 'pools.json');
  await writeFile(file, JSON.stringify({ pools: [render] }));
  return {
    COGMESH_POOL_MODE: 'dynamic',
    COGMESH_POOL_FILE: file,
    COGMESH_POOL_LOOK_MS: '100',
    COGMESH_POOL_WAIT_TARGET_MS: '200',
    COGMESH_POOL_WAIT_FOR_MS: '300',
    COGMESH_POOL_COOLDOWN_MS: '400',
    COGMESH_POOL_SETTLE_MS: '200',
    COGMESH_POOL_STABILISATION_MS: '3000',
    // Whatever else runs on this machine.
    COGMESH_POOL_CPU_PERCENT: '100',
    COGMESH_POOL_LOSS_PERCENT: '90',
  };
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cogmesh-growth-'));
  await writeFile(callsFile(), '');
  world = await createWorld();
  const [port = 0] = await freePorts(1);
  const settings = await environment();
  start = () => startUp(world, { port, environment: settings });
  mesh = await start();
  client = world.client(mesh.url, 'acme', 'operator');
  const getToken = () => world.token('acme', 'operator');
  agent = createAgent({ registry: mesh.registry, getToken, name: 'waits', stopOn: [], maxReconnectDelayMs: 200 });
  agent.handle(
    'acme/wait',
    async (_input, { taskId }) => {
      running += 1;
      mostRunning = Math.max(mostRunning, running);
      await delay(WORK_MS);
      running -= 1;
      calls.push(taskId);
      return null;
    },
    { concurrency: SLOTS },
  );
  await agent.start();
});

afterAll(async () => {
  await agent?.stop();
  await mesh?.stop();
  await world?.remove();
  await rm(dir, { recursive: true, force: true });
});

const names = (count: number, prefix: string) => Array.from({ length: count }, (_, at) => `${prefix}${at}`);
const submit = (tool: string, tasks: readonly string[]) =>
  client.submitRun({ tasks: tasks.map((id) => ({ id, uses: `tool:acme/${tool}` })) });

const slotsOf = async (tool: string) => {
  const agents = (await client.agents()).filter(({ state }) => state === 'READY');
  const serving = agents.flatMap(({ capabilities }) => capabilities.filter(({ name }) => name === `tool:acme/${tool}`));
  return serving.reduce((sum, { credits }) => sum + credits, 0);
};
const whenSlots = (tool: string, slots: number) =>
  until(`${slots} slots of ${tool}`, async () => (await slotsOf(tool)) === slots, { timeoutMs: 30_000 });

const whenDone = (runId: string) =>
  until('the run ends', async () => {
    const run = await client.getRun(runId);
    return run.finishedAt === null ? undefined : run;
  }, { timeoutMs: 60_000 }); // prettier-ignore

describe('a tool that waits', () => {
  it('gets more slots where its agent is, gives them back, and loses no task on the way', async () => {
    expect(await slotsOf('wait')).toBe(SLOTS.initial);
    const tasks = names(400, 'a');
    const run = await submit('wait', tasks);
    await whenSlots('wait', SLOTS.max);
    const [grown] = (await client.agents()).flatMap(({ name, capabilities }) => (name === 'waits' ? capabilities : []));
    expect(grown).toEqual({ name: 'tool:acme/wait', credits: SLOTS.max, maxCredits: SLOTS.max, ready: true });
    expect(await whenDone(run.id)).toMatchObject({ state: 'SUCCEEDED' });
    expect(mostRunning).toBeGreaterThan(SLOTS.initial);
    expect(mostRunning).toBeLessThanOrEqual(SLOTS.max);
    await until('it shrinks', async () => (await slotsOf('wait')) < SLOTS.max);
    // Work that comes while slots go.
    const late = names(20, 'b');
    const second = await submit('wait', late);
    expect(await whenDone(second.id)).toMatchObject({ state: 'SUCCEEDED' });
    await whenSlots('wait', SLOTS.initial);
    expect(calls.toSorted()).toEqual([...tasks, ...late].sort());
  });

  it('keeps what it has grown when the mesh starts again, for as long as a new one would', async () => {
    const run = await submit('wait', names(400, 'c'));
    await whenSlots('wait', SLOTS.max);
    expect(await mesh.stop(), mesh.stderr()).toBe(0);
    mesh = await start();
    await until('the agent is back', async () => (await slotsOf('wait')) > 0);
    expect(await slotsOf('wait')).toBe(SLOTS.max);
    expect(await whenDone(run.id)).toMatchObject({ state: 'SUCCEEDED' });
    await whenSlots('wait', SLOTS.initial);
  });
});

describe('a tool that computes', () => {
  it('gets agents elsewhere, which leave when nothing needs them', async () => {
    expect(await slotsOf('render')).toBe(0);
    const tasks = names(20, 'r');
    const run = await submit('render', tasks);
    await whenSlots('render', 2);
    expect(await whenDone(run.id)).toMatchObject({ state: 'SUCCEEDED' });
    await whenSlots('render', 0);
    const lines = (await readFile(callsFile(), 'utf8')).trim().split('\n');
    expect(lines.map((line) => line.split(' ')[0]).sort()).toEqual([...tasks].sort());
    expect(new Set(lines.map((line) => line.split(' ')[1])).size).toBe(2);
  });
});
