/**
 * Scientific workflows through the whole product, all in one: every instance must end SUCCEEDED, every task must have been
 * called, and none before all its parents had answered, as the agent that did the work saw it. `--instances=FOLDER` takes
 * WfCommons files instead of generated ones.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mintDevelopmentToken } from '@cogmesh/identity';
import { initialiseDataDirectory, startAllInOne } from '@cogmesh/mesh';
import { CogmeshClient, createAgent } from '@cogmesh/sdk';
import { option } from '../src/options.mjs';
import { generateInstances } from './shapes.mjs';
import { readInstances, toRun } from './wfcommons.mjs';

const USES = 'tool:acme/step';
/** Runs of the bench in flight at once. */
const AT_ONCE = 8;
const RUN_TIMEOUT_MS = 300_000;

/** When the agent began and ended each task of each run, by its own count of events. */
class Witness {
  clock = 0;
  runs = new Map();

  of(runId) {
    const known = this.runs.get(runId) ?? new Map();
    this.runs.set(runId, known);
    return known;
  }

  handler = async (_input, { runId, taskId }) => {
    const began = ++this.clock;
    await new Promise(setImmediate);
    this.of(runId).set(taskId, { began, ended: ++this.clock });
    return null;
  };

  /** What was wrong with a run: tasks never called, tasks called before a parent had answered. */
  faultsOf(runId, parents) {
    const calls = this.of(runId);
    return parents.flatMap((own, index) => {
      const call = calls.get(`t${index}`);
      if (call === undefined) return [`t${index} was never called`];
      return own
        .filter((parent) => (calls.get(`t${parent}`)?.ended ?? Infinity) > call.began)
        .map((parent) => `t${index} began before t${parent} had ended`);
    });
  }
}

async function startWorld() {
  const path = await mkdtemp(join(tmpdir(), 'cogmesh-workflows-'));
  const directory = await initialiseDataDirectory(path, { hostOrganisation: 'acme' });
  const mesh = await startAllInOne({
    directory,
    environment: { ...process.env, COGMESH_LOG_LEVEL: 'error' },
    httpListen: '127.0.0.1:0',
  });
  const getToken = () => mintDevelopmentToken(directory.keysDir, { sub: 'bench', roles: ['admin'], ttlSeconds: 3_600 });
  const witness = new Witness();
  const agent = createAgent({ registry: mesh.registry, getToken, name: 'steps', stopOn: [] });
  agent.handle('acme/step', witness.handler, { concurrency: 64 });
  await agent.start();
  const close = async () => {
    await agent.stop();
    await mesh.stop();
    await rm(path, { recursive: true, force: true });
  };
  return { client: new CogmeshClient({ baseUrl: mesh.url, getToken }), witness, close };
}

async function runOne({ client, witness }, [name, instance]) {
  const { document, parents } = toRun(instance, { uses: USES });
  const started = performance.now();
  const submitted = await client.submitRun(document);
  const run = await client.waitForRun(submitted.id, { timeoutMs: RUN_TIMEOUT_MS });
  const faults = [
    ...(run.state === 'SUCCEEDED' ? [] : [`the run is ${run.state}`]),
    ...witness.faultsOf(run.id, parents),
  ];
  const fan = Math.max(0, ...parents.map((own) => own.length));
  return { name, tasks: parents.length, fanIn: fan, ms: Math.round(performance.now() - started), faults };
}

const instancesOf = ({ quick, instances }) =>
  instances
    ? readInstances(instances)
    : generateInstances({ count: quick ? 25 : 110, seed: 2026, largest: quick ? 200 : 1_200 });

export async function summary({ quick, say, instances = option('--instances') }) {
  const queue = instancesOf({ quick, instances });
  const world = await startWorld();
  const results = [];
  const started = performance.now();
  try {
    const worker = async () => {
      for (let next = queue.shift(); next; next = queue.shift()) {
        const result = await runOne(world, next);
        results.push(result);
        say(
          `${result.name.padEnd(28)} ${String(result.tasks).padStart(6)} tasks ${String(result.ms).padStart(7)} ms${result.faults.length > 0 ? `  WRONG: ${result.faults[0]}` : ''}`,
        );
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  } finally {
    await world.close();
  }
  const seconds = (performance.now() - started) / 1000;
  const tasks = results.reduce((sum, result) => sum + result.tasks, 0);
  const wrong = results.filter(({ faults }) => faults.length > 0);
  if (wrong.length > 0) process.exitCode = 1;
  say(`${results.length} workflows, ${tasks} tasks, ${Math.round(tasks / seconds)} tasks/s, ${wrong.length} wrong`);
  return {
    workflows: results.length,
    tasks,
    largest_fan_in: Math.max(...results.map(({ fanIn }) => fanIn)),
    tasks_per_s: Math.round(tasks / seconds),
    wrong,
  };
}
