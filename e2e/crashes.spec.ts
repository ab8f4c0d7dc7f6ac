/**
 * kill -9 in the middle of a run of 200 tasks, once for each kind of process: whatever dies, the run ends well, every task
 * succeeds exactly once, and at most what was in flight at the kill is done again. One cluster serves all tests in turn.
 */
import type { Cluster } from '@cogmesh/mesh';
import type { CogmeshClient } from '@cogmesh/sdk';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestCluster } from './src/cluster.js';
import { History, repeated } from './src/history.js';
import { type Ledger, startLedger } from './src/ledger.js';
import { ledgerTasks, pairs } from './src/pairs.js';
import { until } from './src/poll.js';
import { descendantsOf, killHard } from './src/processes.js';
import { createWorld, type World } from './src/world.js';

const PAIRS = 100;
const KILL_AFTER = 50;
const KILL_BEFORE = 150;
/** From the moment everything is ready again. */
const FINISH_WITHIN_MS = 60_000;
const RECOVER_WITHIN_MS = 60_000;
/** Calls of the agent at once: the scheduler hands out no more, so no more can be in flight at a kill. */
const LEDGER_CONCURRENCY = 2;

let world: World;
let cluster: Cluster;
let client: CogmeshClient;
let ledger: Ledger;

beforeAll(async () => {
  world = await createWorld();
  cluster = await startTestCluster(world);
  client = world.client(cluster.url, 'acme', 'operator');
  ledger = await startLedger({ world, registry: cluster.registry, concurrency: LEDGER_CONCURRENCY, workMs: 20 });
});

afterAll(async () => {
  await ledger?.close();
  await cluster?.stop();
  await world?.remove();
});

const victims: readonly (readonly [string, readonly string[]])[] = [
  ['the scheduler', ['scheduler']],
  ['a worker and its engines', ['worker']],
  ['RabbitMQ', ['rabbitmq']],
  ['PostgreSQL', ['postgres']],
  ['the sidecar of the scheduler', ['scheduler-sidecar']],
  ['nearly everything at once', ['rabbitmq', 'postgres', 'scheduler', 'registry', 'worker', 'gateway']],
];

/** A process, and for a worker its engines, which must not outlive it in this test. */
function familyOf(name: string): readonly number[] {
  const pid = cluster.pidOf(name);
  if (name !== 'worker') return [pid];
  const engines = descendantsOf(pid);
  expect(engines.length).toBeGreaterThan(0);
  return [pid, ...engines];
}

const allReady = async () => (await cluster.readiness()).ready && (await fetch(`${cluster.url}/readyz`)).ok;

interface Killed {
  readonly atMs: number;
  readonly pids: readonly number[];
}

/** Starts a run, kills when the client has seen enough successes, and follows the run to its end. */
async function killDuringRun(names: readonly string[]) {
  await until('everything is ready', allReady, { timeoutMs: RECOVER_WITHIN_MS });
  const run = await client.submitRun(pairs(PAIRS));
  let killed: Killed | undefined;
  const history = History.follow(client, run.id, ({ succeeded }) => {
    if (killed || succeeded.length <= KILL_AFTER) return;
    const pids = names.flatMap(familyOf);
    killHard(...pids);
    killed = { atMs: Date.now(), pids };
  });
  const { atMs, pids } = await until('the kill', () => killed, { timeoutMs: 60_000 });
  const back = async () => !names.some((name) => pids.includes(cluster.pidOf(name))) && (await allReady());
  await until('what was killed is back', back, { timeoutMs: RECOVER_WITHIN_MS });
  await history.whenDone(FINISH_WITHIN_MS);
  const calls = (await ledger.read()).filter((entry) => entry.run === run.id);
  return { run: await client.getRun(run.id), history, atMs, calls };
}

describe.each(victims)('kill -9 of %s', (_, names) => {
  let outcome: Awaited<ReturnType<typeof killDuringRun>>;
  beforeAll(async () => {
    outcome = await killDuringRun(names);
  });

  it('came between the 50th and the 150th success', () => {
    const { history, atMs } = outcome;
    const before = history.events.filter(
      ({ taskState, time }) => taskState === 'SUCCEEDED' && Date.parse(time) <= atMs,
    ).length;
    expect(before).toBeGreaterThan(KILL_AFTER);
    expect(before).toBeLessThan(KILL_BEFORE);
  });

  it('did not keep the run from its end', () => {
    expect(outcome.run.state).toBe('SUCCEEDED');
    expect(outcome.run.tasks?.filter(({ state }) => state !== 'SUCCEEDED')).toEqual([]);
    expect(outcome.run.tasks).toHaveLength(2 * PAIRS);
  });

  it('let every task succeed exactly once, in a history without gaps', () => {
    const { succeeded, gaps } = outcome.history;
    expect(repeated(succeeded)).toEqual([]);
    expect(new Set(succeeded).size).toBe(2 * PAIRS);
    expect(gaps).toEqual([]);
  });

  it('lost no call of the agent and repeated at most those in flight', () => {
    const tasks = outcome.calls.map(({ task }) => task);
    expect([...new Set(tasks)].sort()).toEqual(ledgerTasks(PAIRS));
    expect(tasks.length - PAIRS, 'calls made again').toBeLessThanOrEqual(LEDGER_CONCURRENCY);
  });
});
