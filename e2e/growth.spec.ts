/**
 * A dynamic pool: slots of a tool that waits grow where its agent is, a tool that computes gets agents of its own from a local
 * pool, and both shrink when the load is over. Every task is done once. All in one, and a cluster where agents share queues.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePorts } from '@cogmesh/backends';
import type { Environment } from '@cogmesh/config';
import { type Agent, type CogmeshClient, createAgent } from '@cogmesh/sdk';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startUp } from './src/all-in-one.js';
import { startTestCluster } from './src/cluster.js';
import { until } from './src/poll.js';
import { createWorld, type World } from './src/world.js';

const SLOTS = { initial: 2, max: 16 };
const WORK_MS = 100;

interface Mesh {
  readonly url: string;
  readonly registry: string;
  stop(): Promise<unknown>;
}

/** What an operator would write, with short times. */
async function environment(world: World, dir: string): Promise<Environment> {
  const render = {
    name: 'render',
    capabilities: ['tool:acme/render'],
    slotsPerAgent: 1,
    max: 2,
    process: {
      command: [process.execPath, '--no-warnings', join(import.meta.dirname, 'src/pool-agent.ts')],
      environment: { TOKEN: await world.token('acme', 'operator'), CALLS: join(dir, 'calls.txt') },
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

const names = (count: number, prefix: string) => Array.from({ length: count }, (_, at) => `${prefix}${at}`);

/** One mesh with a growing agent, and what is asked of it. */
class Growing {
  readonly calls: string[] = [];
  mostRunning = 0;
  mesh!: Mesh;
  client!: CogmeshClient;
  start!: () => Promise<Mesh>;
  #dir!: string;
  #world!: World;
  #agent: Agent | undefined;

  async open(start: (world: World, environment: Environment) => Promise<() => Promise<Mesh>>): Promise<void> {
    this.#dir = await mkdtemp(join(tmpdir(), 'cogmesh-growth-'));
    await writeFile(join(this.#dir, 'calls.txt'), '');
    this.#world = await createWorld();
    this.start = await start(this.#world, await environment(this.#world, this.#dir));
    this.mesh = await this.start();
    this.client = this.#world.client(this.mesh.url, 'acme', 'operator');
    const getToken = () => this.#world.token('acme', 'operator');
    const { registry } = this.mesh;
    this.#agent = createAgent({ registry, getToken, name: 'waits', stopOn: [], maxReconnectDelayMs: 200 });
    let running = 0;
    const handler = async (_input: unknown, { taskId }: { taskId: string }) => {
      running += 1;
      this.mostRunning = Math.max(this.mostRunning, running);
      await delay(WORK_MS);
      running -= 1;
      this.calls.push(taskId);
      return null;
    };
    await this.#agent.handle('acme/wait', handler, { concurrency: SLOTS }).start();
  }

  async close(): Promise<void> {
    await this.#agent?.stop();
    await this.mesh?.stop();
    await this.#world?.remove();
    await rm(this.#dir, { recursive: true, force: true });
  }

  submit(tool: string, tasks: readonly string[]) {
    return this.client.submitRun({ tasks: tasks.map((id) => ({ id, uses: `tool:acme/${tool}` })) });
  }

  async slots(tool: string): Promise<number> {
    const agents = (await this.client.agents()).filter(({ state }) => state === 'READY');
    const all = agents.flatMap(({ capabilities }) => capabilities.filter(({ name }) => name === `tool:acme/${tool}`));
    return all.reduce((sum, { credits }) => sum + credits, 0);
  }

  whenSlots(tool: string, slots: number) {
    return until(`${slots} slots of ${tool}`, async () => (await this.slots(tool)) === slots, { timeoutMs: 60_000 });
  }

  whenDone(runId: string) {
    const look = async () => {
      const run = await this.client.getRun(runId);
      return run.finishedAt === null ? undefined : run;
    };
    return until('the run ends', look, { timeoutMs: 90_000 });
  }

  /** Of the tool that computes: task and process of each call. */
  async rendered(): Promise<{ task: string; pid: string }[]> {
    const lines = (await readFile(join(this.#dir, 'calls.txt'), 'utf8')).trim().split('\n');
    return lines.map((line) => line.split(' ')).map(([task = '', pid = '']) => ({ task, pid }));
  }
}

async function allInOne(world: World, settings: Environment): Promise<() => Promise<Mesh>> {
  const [port = 0] = await freePorts(1);
  return () => startUp(world, { port, environment: settings });
}

async function cluster(world: World, settings: Environment): Promise<() => Promise<Mesh>> {
  return () => startTestCluster(world, { ...settings, COGMESH_SCHEDULER_STRATEGY: 'round-robin' });
}

describe.each([
  ['all in one', allInOne],
  ['a cluster, round robin', cluster],
])('%s', (_, start) => {
  const world = new Growing();
  beforeAll(() => world.open(start));
  afterAll(() => world.close());

  it('gives a tool that waits more slots where its agent is, takes them back, and loses no task on the way', async () => {
    expect(await world.slots('wait')).toBe(SLOTS.initial);
    const tasks = names(400, 'a');
    const run = await world.submit('wait', tasks);
    await world.whenSlots('wait', SLOTS.max);
    const agents = await world.client.agents();
    const [grown] = agents.flatMap(({ name, capabilities }) => (name === 'waits' ? capabilities : []));
    expect(grown).toMatchObject({ name: 'tool:acme/wait', credits: SLOTS.max, maxCredits: SLOTS.max, ready: true });
    expect(await world.whenDone(run.id)).toMatchObject({ state: 'SUCCEEDED' });
    expect(world.mostRunning).toBeGreaterThan(SLOTS.initial);
    expect(world.mostRunning).toBeLessThanOrEqual(SLOTS.max);
    await until('it shrinks', async () => (await world.slots('wait')) < SLOTS.max);
    // Work that comes while slots go.
    const late = names(20, 'b');
    const second = await world.submit('wait', late);
    expect(await world.whenDone(second.id)).toMatchObject({ state: 'SUCCEEDED' });
    await world.whenSlots('wait', SLOTS.initial);
    expect(world.calls.toSorted()).toEqual([...tasks, ...late].sort());
  });

  it('gives a tool that computes agents elsewhere, which leave when nothing needs them', async () => {
    expect(await world.slots('render')).toBe(0);
    const tasks = names(20, 'r');
    const run = await world.submit('render', tasks);
    await world.whenSlots('render', 2);
    expect(await world.whenDone(run.id)).toMatchObject({ state: 'SUCCEEDED' });
    await world.whenSlots('render', 0);
    const calls = await world.rendered();
    expect(calls.map(({ task }) => task).sort()).toEqual([...tasks].sort());
    expect(new Set(calls.map(({ pid }) => pid)).size).toBe(2);
  });

  it.runIf(start === allInOne)('keeps what has grown over a restart, and takes it back in its time', async () => {
    const run = await world.submit('wait', names(400, 'c'));
    await world.whenSlots('wait', SLOTS.max);
    await world.mesh.stop();
    world.mesh = await world.start();
    await until('the agent is back', async () => (await world.slots('wait')) > 0);
    expect(await world.slots('wait')).toBe(SLOTS.max);
    expect(await world.whenDone(run.id)).toMatchObject({ state: 'SUCCEEDED' });
    await world.whenSlots('wait', SLOTS.initial);
  });
});
