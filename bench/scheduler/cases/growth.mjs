/**
 * What growth brings: a tool that waits 40 ms, served by one agent with 4 slots that may become 32, under a load that never runs
 * out. Throughput once a second beside the slots there are; it must not fall when they grow. Then the load ends and slots go
 * back to 4. Alone: `node bench/scheduler/cases/growth.mjs [--json]`, on a built product.
 */
import { fork, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { mintDevelopmentToken } from '@cogmesh/identity';
import { initialiseDataDirectory } from '@cogmesh/mesh';
import { CogmeshClient, createAgent } from '@cogmesh/sdk';
import { median, quantile } from '../figures.mjs';

const root = join(import.meta.dirname, '../../..');
const WORK_MS = 40;
const SLOTS = { initial: 4, max: 32 };
const RUN_TASKS = 1_000;
/** Looks at the highest number of slots, one a second. */
const LOOKS_AT_MOST = 8;
const GIVE_UP_MS = 120_000;
/** Of the throughput before; the policy itself takes growth back that loses more. */
const TOLERANCE = 0.1;

const settings = {
  COGMESH_LOG_LEVEL: 'warn',
  COGMESH_RATE_PER_SECOND: '10000',
  COGMESH_RATE_BURST: '10000',
  OTEL_TRACES_EXPORTER: 'none',
  OTEL_SDK_DISABLED: 'true',
  COGMESH_POOL_MODE: 'dynamic',
  COGMESH_POOL_LOOK_MS: '250',
  COGMESH_POOL_WAIT_TARGET_MS: '500',
  COGMESH_POOL_WAIT_FOR_MS: '4000',
  COGMESH_POOL_COOLDOWN_MS: '6000',
  COGMESH_POOL_SETTLE_MS: '4000',
  COGMESH_POOL_STABILISATION_MS: '5000',
  // The mesh, the agent and the load share this machine; its processors are not what is measured.
  COGMESH_POOL_CPU_PERCENT: '100',
};

function cleanEnvironment() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(COGMESH|OTEL|NODE_OPTIONS)/.test(name)));
}

async function until(what, condition, timeoutMs = GIVE_UP_MS) {
  const deadline = performance.now() + timeoutMs;
  while (performance.now() < deadline) {
    const found = await Promise.resolve(condition()).catch(() => undefined);
    if (found) return found;
    await delay(50);
  }
  throw new Error(`${what}: not within ${timeoutMs} ms`);
}

/** In a process of its own: the agent, which tells how many calls it has ended. */
async function serve() {
  let count = 0;
  const { REGISTRY: registry, TOKEN: token } = process.env;
  const agent = createAgent({ registry, token, name: 'growing' });
  const handler = async () => {
    await delay(WORK_MS);
    count += 1;
    return null;
  };
  await agent.handle('acme/waits', handler, { concurrency: SLOTS }).start();
  process.on('message', (id) => process.send({ id, count, at: performance.now() }));
  process.on('disconnect', () => process.exit(1));
  process.send('started');
  await agent.closed;
  process.exit(0);
}

async function openWorld() {
  const path = await mkdtemp(join(tmpdir(), 'cogmesh-growth-'));
  const closing = [() => rm(path, { recursive: true, force: true })];
  const close = async () => {
    for (const step of closing.toReversed()) await step();
  };
  const child = (start) => {
    const started = start();
    const exited = new Promise((resolve) => started.once('exit', resolve));
    closing.push(async () => {
      if (started.exitCode === null && started.signalCode === null) started.kill('SIGTERM');
      await exited;
    });
    return started;
  };
  try {
    const permissions = ['create', 'read', 'list', 'cancel', 'infer', 'serve'];
    const policies = [{ id: 'work', policy: "role == 'admin'", permissions, resources: ['/**'] }];
    const directory = await initialiseDataDirectory(path, {
      hostOrganisation: 'acme',
      policies: { organisation: 'acme', policies },
    });
    const args = ['--no-warnings', join(root, 'apps/cli/dist/main.js'), 'up', '--json', '--listen', '127.0.0.1:0'];
    const mesh = child(() =>
      spawn(process.execPath, [...args, '--data-dir', path], {
        env: { ...cleanEnvironment(), ...settings },
        stdio: ['ignore', 'pipe', 'inherit'],
      }),
    );
    let text = '';
    mesh.stdout.setEncoding('utf8').on('data', (chunk) => (text += chunk));
    const { url, registry } = await until('the mesh says where it is', async () => JSON.parse(text));
    await until('the mesh is ready', async () => (await fetch(`${url}/readyz`)).ok);
    const token = await mintDevelopmentToken(directory.keysDir, { sub: 'bench', roles: ['admin'], ttlSeconds: 3_600 });
    const env = { ...cleanEnvironment(), REGISTRY: registry, TOKEN: token };
    const agent = child(() => fork(import.meta.filename, ['agent'], { env, execArgv: ['--no-warnings'] }));
    await new Promise((resolve) => agent.once('message', resolve));
    const asked = new Map();
    agent.on('message', (answer) => {
      asked.get(answer.id)?.(answer);
      asked.delete(answer.id);
    });
    let questions = 0;
    const count = () => {
      const { promise, resolve } = Promise.withResolvers();
      asked.set((questions += 1), resolve);
      agent.send(questions);
      return promise;
    };
    const client = new CogmeshClient({ baseUrl: url, getToken: () => token, maxRetries: 8 });
    const slots = async () => {
      const agents = await client.agents();
      return agents.find(({ name }) => name === 'growing')?.capabilities[0]?.credits ?? 0;
    };
    return { client, count, slots, close };
  } catch (error) {
    await close();
    throw error;
  }
}

const document = {
  tasks: Array.from({ length: RUN_TASKS }, (_, at) => ({ id: `t${at}`, uses: 'tool:acme/waits' })),
};

/** Keeps more waiting than a second takes, until told to stop. */
function feed({ client, count }) {
  let isOver = false;
  const runs = [];
  const feeding = (async () => {
    while (!isOver) {
      const { count: ended } = await count();
      if (runs.length * RUN_TASKS - ended < 2 * RUN_TASKS) runs.push((await client.submitRun(document)).id);
      else await delay(100);
    }
  })();
  return {
    end: async () => {
      isOver = true;
      await feeding;
      return runs;
    },
  };
}

/** One sample a second; those in which slots changed belong to no number of slots. */
async function sample({ count, slots }) {
  const samples = [];
  let [before, slotsBefore] = [await count(), await slots()];
  const startedAt = before.at;
  const isLevel = (each) => each.slots === SLOTS.max;
  while (samples.filter(isLevel).length < LOOKS_AT_MOST && before.at - startedAt < GIVE_UP_MS) {
    await delay(1_000);
    const [now, slotsNow] = [await count(), await slots()];
    const perSecond = ((now.count - before.count) / (now.at - before.at)) * 1_000;
    samples.push({
      second: Math.round((now.at - startedAt) / 1_000),
      slots: slotsNow === slotsBefore ? slotsNow : `${slotsBefore} to ${slotsNow}`,
      tasks_per_s: Math.round(perSecond),
    });
    [before, slotsBefore] = [now, slotsNow];
  }
  return samples;
}

function levelsOf(samples) {
  const levels = [...new Set(samples.map(({ slots }) => slots))].filter((slots) => typeof slots === 'number');
  return levels.map((slots) => {
    const rates = samples.filter((each) => each.slots === slots).map((each) => each.tasks_per_s);
    // Whatever else runs on the machine can only lower a sample, so the upper quartile says what so many slots do.
    const figures = { tasks_per_s: quantile(rates, 0.75), median: median(rates), lowest: Math.min(...rates) };
    return { slots, ...figures, samples: rates.length };
  });
}

/** `{ table, samples, never_fell, gain, shrunk_to, lost }`. */
export async function growth() {
  const world = await openWorld();
  try {
    const load = feed(world);
    await until('the first tasks are done', async () => (await world.count()).count > 0);
    const samples = await sample(world);
    const runs = await load.end();
    const table = levelsOf(samples);
    const states = [];
    for (const id of runs) {
      states.push(
        await until('a run ends', async () => {
          const { finishedAt, state } = await world.client.getRun(id);
          return finishedAt === null ? undefined : state;
        }),
      );
    }
    await until('slots go back', async () => (await world.slots()) === SLOTS.initial);
    const pairs = table.slice(1).map((level, at) => level.tasks_per_s / Math.max(1, table[at].tasks_per_s));
    const { count } = await world.count();
    return {
      table,
      samples,
      never_fell: pairs.every((ratio) => ratio >= 1 - TOLERANCE),
      gain: Math.round((table.at(-1).tasks_per_s / Math.max(1, table[0].tasks_per_s)) * 10) / 10,
      shrunk_to: await world.slots(),
      lost: runs.length * RUN_TASKS - count,
      failed_runs: states.filter((state) => state !== 'SUCCEEDED').length,
    };
  } finally {
    await world.close();
  }
}

if (process.argv[1] === import.meta.filename) {
  if (process.argv[2] === 'agent') await serve();
  else {
    const result = await growth();
    if (process.argv.includes('--json')) console.log(JSON.stringify(result));
    else {
      console.table(result.samples);
      console.table(result.table);
      const { never_fell: neverFell, gain, shrunk_to: shrunkTo, lost, failed_runs: failed } = result;
      console.log(
        `never fell: ${neverFell}; gain ${gain}x; back to ${shrunkTo} slots; ${lost} tasks lost, ${failed} runs failed`,
      );
    }
    process.exitCode = result.never_fell && result.lost === 0 && result.failed_runs === 0 ? 0 : 1;
  }
}
