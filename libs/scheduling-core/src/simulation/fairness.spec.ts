/** Fairness in a world in which nothing goes wrong: what one organisation sends delays another by no more than its share. */
import { describe, expect, it } from 'vitest';
import type { StoredScope } from '../engine/dispatch-ports.js';
import type { TaskPlan } from '../run-plan.js';
import type { Order } from './clients.js';
import { isOver } from './naive-model.js';
import type { RunSpec, TaskSpec } from './scenario.js';
import { startMs, World } from './world.js';

/** Independent tasks, all of the same kind. */
function flat(name: string, size: number, priority: number): RunSpec {
  const tasks = Array.from({ length: size }, (_, at): TaskSpec => {
    const plan: TaskPlan = {
      id: `t${at}`,
      uses: 'script',
      depends: [],
      priority,
      input: { n: at, from: [], does: 'well', runMs: 200 },
      retry: { maxAttempts: 1, backoffMs: 1, maxBackoffMs: 1, jitter: 0 },
      timeoutMs: 60_000,
    };
    return { plan, kind: 'agent', from: [], n: at, does: 'well', runMs: 200 };
  });
  const plan = { name, priority, labels: {}, input: {}, tasks: tasks.map((task) => task.plan) };
  return { plan, tasks: new Map(tasks.map((task) => [task.plan.id, task])), out: [] };
}

const order = (organisation: string, spec: RunSpec, atMs: number): Order => {
  return { runId: `of-${organisation}`, organisation, shard: 0, spec, atMs };
};

const weighs = (organisation: string, weight: number): StoredScope => {
  const limits = { maxInFlight: 0, ratePerSecond: 0, burst: 0, maxQueued: 0, weight, serviceClass: 0 };
  return { kind: 'organisation', organisation, name: organisation, limits, paused: false };
};

/** Callers of this seed change their minds about none of these runs. */
async function live(seed: number, orders: readonly Order[], scopes: readonly StoredScope[] = []): Promise<World> {
  const world = new World({ seed, shards: 1, orders, scopes, mutant: undefined, shared: [], headSize: 100 });
  world.clients.calmDown();
  const isDone = (): boolean =>
    world.clients.unconfirmed === 0 && [...world.state.runs.values()].every(({ row }) => isOver(row.state));
  expect(await world.clock.run({ deadline: startMs + 600_000, isDone })).toBe(true);
  expect(world.violations.found).toEqual([]);
  return world;
}

const tookMs = ({ state }: World, organisation: string): number => {
  const row = state.runs.get(`of-${organisation}`)?.row;
  return (row?.finishedAt ?? Infinity) - (row?.createdAt ?? 0);
};

/** In the order in which they ended. */
const ends = ({ state }: World): string[] =>
  [...state.runs.values()]
    .flatMap(({ tasks }) => [...tasks.values()])
    .sort((a, b) => (a.finishedAt ?? 0) - (b.finishedAt ?? 0))
    .map(({ organisation }) => organisation);

describe('between organisations', { timeout: 120_000 }, () => {
  it.each([11, 12, 13])(
    'a flood at a higher priority doubles the time of a small run at most (seed %i)',
    async (seed) => {
      const small = order('globex', flat('small', 60, 0), 500);
      const alone = tookMs(await live(seed, [small]), 'globex');
      const beside = tookMs(await live(seed, [order('acme', flat('flood', 900, 9), 100), small]), 'globex');
      expect(beside / alone).toBeLessThan(2.5);
    },
  );

  it('turns go by weight while both have work', async () => {
    const orders = [order('acme', flat('a', 600, 5), 0), order('globex', flat('g', 600, 5), 0)];
    const ended = ends(await live(21, orders, [weighs('acme', 3), weighs('globex', 1)]));
    const share = ended.slice(50, 650).filter((name) => name === 'acme').length / 600;
    expect(share).toBeGreaterThan(0.7);
    expect(share).toBeLessThan(0.8);
  });
});
