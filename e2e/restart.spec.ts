/**
 * All in one stops in the middle of a run, in order or by kill -9, and comes back on the same data directory: the run goes on where it
 * was, and only kill -9 may make somebody do a piece of work again.
 */
import { freePorts } from '@cogmesh/backends';
import type { CogmeshClient } from '@cogmesh/sdk';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AllInOne, startUp } from './src/all-in-one.js';
import { History, repeated } from './src/history.js';
import { type Ledger, startLedger } from './src/ledger.js';
import { ledgerTasks, pairs } from './src/pairs.js';
import { until } from './src/poll.js';
import { createWorld, type World } from './src/world.js';

const PAIRS = 50;
const STOP_AFTER = 20;
const LEDGER_CONCURRENCY = 2;
const FINISH_WITHIN_MS = 60_000;

let world: World;
let port: number;
let mesh: AllInOne;
let client: CogmeshClient;
let ledger: Ledger;

beforeAll(async () => {
  world = await createWorld();
  [port = 0] = await freePorts(1);
  mesh = await startUp(world, { port });
  client = world.client(mesh.url, 'acme', 'operator');
  ledger = await startLedger({ world, registry: mesh.registry, concurrency: LEDGER_CONCURRENCY, workMs: 20 });
});

afterAll(async () => {
  await ledger?.close();
  await mesh?.stop();
  await world?.remove();
});

/** A run that is interrupted by `interrupt` and ends after the mesh came back. */
async function interrupted(interrupt: () => Promise<unknown>) {
  const run = await client.submitRun(pairs(PAIRS));
  const history = History.follow(client, run.id);
  await until('enough successes', () => history.succeeded.length > STOP_AFTER);
  await interrupt();
  const before = history.succeeded.length;
  mesh = await startUp(world, { port });
  await history.whenDone(FINISH_WITHIN_MS);
  const calls = (await ledger.read()).filter((entry) => entry.run === run.id).map(({ task }) => task);
  return { run: await client.getRun(run.id), history, before, calls };
}

describe.each([
  ['SIGTERM', 0, async () => expect(await mesh.stop(), mesh.stderr()).toBe(0)],
  ['kill -9', LEDGER_CONCURRENCY, () => mesh.crash()],
] as const)('%s and a new start', (_, mayRepeat, interrupt) => {
  let outcome: Awaited<ReturnType<typeof interrupted>>;
  beforeAll(async () => {
    outcome = await interrupted(interrupt);
  });

  it('came in the middle of the run', () => {
    expect(outcome.before).toBeLessThan(2 * PAIRS);
  });

  it('let the run succeed, every task exactly once, in a history without gaps', () => {
    const { run, history } = outcome;
    expect(run.state).toBe('SUCCEEDED');
    expect(repeated(history.succeeded)).toEqual([]);
    expect(new Set(history.succeeded).size).toBe(2 * PAIRS);
    expect(history.gaps).toEqual([]);
  });

  it('lost no call of the agent and repeated no more than it may', () => {
    const { calls } = outcome;
    expect([...new Set(calls)].sort()).toEqual(ledgerTasks(PAIRS));
    expect(calls.length - PAIRS, 'calls made again').toBeLessThanOrEqual(mayRepeat);
  });
});
