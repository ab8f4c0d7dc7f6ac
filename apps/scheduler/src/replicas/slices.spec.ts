import { openSqlite, sql, type Database } from '@cogmesh/database';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { schedulerMigrations } from '../adapters/migrations.js';
import { World } from './slices.world.js';

const names = ['a', 'b', 'c'] as const;
const idle = 1;

let db: Database;

async function fresh(whole: number): Promise<World> {
  await db.execute(sql`delete from tasks`);
  await db.execute(sql`delete from scheduler_replicas`);
  await db.execute(sql`delete from scheduler_shards`);
  await db.execute(sql`delete from scheduler_slices where replica <> ''`);
  return new World(db, whole);
}

beforeEach(async () => {
  db = await openSqlite(':memory:');
  await db.migrate(schedulerMigrations);
  const columns = sql`id, organisation, name, priority, labels, input, submitted_by, traceparent, created_at, task_count,
    state, sequence, open_tasks, total_tasks`;
  await db.execute(sql`insert into runs (${columns})
    values ('run', 'acme', 'x', 5, '{}', 'null', 'x', '', 0, 0, 'SUCCEEDED', 1, 0, 0)`);
});
afterEach(() => db.close());

const get = (world: World, id: string) => {
  const replica = world.replicas.get(id);
  if (!replica) throw new Error(`${id} does not live`);
  return replica;
};
const tickAll = async (world: World, times = 1) => {
  for (let time = 0; time < times; time += 1) {
    world.nowMs += 1_000;
    for (const replica of world.replicas.values()) await replica.tick();
  }
};

describe('slices of what is limited as a whole', () => {
  it('are everything, and no rows, for one that is alone', async () => {
    const world = await fresh(8);
    await world.start('a');
    await tickAll(world);
    expect(get(world, 'a').part).toBe(8);
    expect(await world.sliced()).toBe(0);
  });

  it('go to where there is work', async () => {
    const world = await fresh(16);
    await world.start('a');
    await tickAll(world);
    get(world, 'a').hasDemand = true;
    await world.start('b');
    await tickAll(world, 5);
    expect([get(world, 'a').part, get(world, 'b').part]).toEqual([16 - idle, idle]);
    get(world, 'b').hasDemand = true;
    await tickAll(world, 3);
    expect([get(world, 'a').part, get(world, 'b').part]).toEqual([8, 8]);
    get(world, 'a').hasDemand = false;
    await tickAll(world, 5);
    expect([get(world, 'a').part, get(world, 'b').part]).toEqual([idle, 16 - idle]);
  });

  it('wait for work that is in flight elsewhere', async () => {
    const world = await fresh(4);
    await world.start('a');
    await tickAll(world);
    get(world, 'a').claim(4);
    await get(world, 'a').memory.flush();
    await world.start('b');
    get(world, 'b').hasDemand = true;
    await tickAll(world, 3);
    expect(await world.inFlight()).toBe(4);
    // Half of it is b's by right; of what is in flight its shards may have inherited some.
    const inherited = get(world, 'b').memory.attempts.size;
    get(world, 'b').claim(4);
    expect(get(world, 'b').memory.attempts.size).toBe(inherited);
    await get(world, 'a').finish(4);
    await tickAll(world, 2);
    expect(get(world, 'b').part).toBeGreaterThanOrEqual(2);
  });

  it('of one slot go round', async () => {
    const world = await fresh(1);
    await world.start('a');
    await world.start('b');
    get(world, 'a').hasDemand = get(world, 'b').hasDemand = true;
    const seen = { a: 0, b: 0 };
    for (let tick = 0; tick < 40; tick += 1) {
      await tickAll(world);
      for (const id of ['a', 'b'] as const) seen[id] += get(world, id).part;
      expect(get(world, 'a').part + get(world, 'b').part).toBeLessThanOrEqual(1);
    }
    expect(Math.min(seen.a, seen.b)).toBeGreaterThan(10);
  });

  it('follow a limit that falls and rises', async () => {
    const world = await fresh(12);
    await world.start('a');
    await world.start('b');
    get(world, 'a').hasDemand = get(world, 'b').hasDemand = true;
    await tickAll(world, 4);
    expect(await world.sliced()).toBe(12);
    world.setWhole(4);
    await tickAll(world, 2);
    expect(await world.sliced()).toBe(4);
    world.setWhole(20);
    await tickAll(world, 2);
    expect(await world.sliced()).toBe(20);
  });

  it('of a dead replica pass to the others', async () => {
    const world = await fresh(8);
    await world.start('a');
    await world.start('b');
    get(world, 'a').hasDemand = get(world, 'b').hasDemand = true;
    await tickAll(world, 4);
    get(world, 'a').claim(4);
    await get(world, 'a').memory.flush();
    await world.kill('a');
    await tickAll(world, 8);
    expect(get(world, 'b').part).toBe(8);
    expect(get(world, 'b').memory.attempts.size).toBe(4);
    get(world, 'b').claim(8);
    await get(world, 'b').memory.flush();
    expect(await world.inFlight()).toBe(8);
  });
});

describe('what was started by an old amount counts', () => {
  /** All of them with their shards, each with nothing of the whole but what it asks for from here on. */
  const together = async (whole: number, ...ids: readonly string[]): Promise<World> => {
    const world = await fresh(whole);
    for (const id of ids) await world.start(id);
    await tickAll(world, 3);
    return world;
  };
  /** It tries to start everything, and stores it. */
  const startAll = async (world: World, id: string) => {
    get(world, id).claim(100);
    await get(world, id).memory.flush();
  };

  it('when a replica that had everything gets company', async () => {
    const world = await fresh(4);
    await world.start('a');
    await tickAll(world);
    get(world, 'a').claim(4);
    await world.start('b');
    get(world, 'b').hasDemand = true;
    await get(world, 'a').book.tick();
    await get(world, 'b').tick();
    await startAll(world, 'b');
    await tickAll(world);
    await startAll(world, 'b');
    await get(world, 'a').memory.flush();
    expect(await world.inFlight()).toBe(4);
  });

  it('when a part becomes smaller', async () => {
    const world = await together(4, 'a', 'b');
    get(world, 'a').hasDemand = true;
    await tickAll(world, 4);
    get(world, 'a').claim(4);
    expect(get(world, 'a').memory.unstored.size).toBe(4);
    get(world, 'b').hasDemand = true;
    for (const id of ['b', 'a', 'b']) await get(world, id).book.tick();
    await startAll(world, 'b');
    await get(world, 'a').memory.flush();
    expect(await world.inFlight()).toBe(4);
  });

  it('when shards go to another with what is in flight in them', async () => {
    const world = await fresh(4);
    await world.start('a');
    await tickAll(world);
    await startAll(world, 'a');
    await world.start('b');
    await get(world, 'a').keeper.reconcile();
    await startAll(world, 'a');
    await get(world, 'b').keeper.reconcile();
    expect(get(world, 'b').memory.attempts.size).toBe(2);
    await startAll(world, 'a');
    expect(await world.inFlight()).toBe(4);
  });

  it('when it was inherited from the dead', async () => {
    const world = await together(4, 'a', 'b', 'c');
    get(world, 'a').hasDemand = true;
    await tickAll(world, 4);
    await startAll(world, 'a');
    expect(await world.inFlight()).toBe(4);
    await world.kill('a');
    get(world, 'b').hasDemand = true;
    for (let tick = 0; tick < 8; tick += 1) {
      await tickAll(world);
      for (const id of ['b', 'c']) await startAll(world, id);
    }
    expect(get(world, 'c').memory.attempts.size).toBe(4);
    expect(await world.inFlight()).toBe(4);
  });

  it('when it was started by one that froze before it was stored', async () => {
    const world = await together(4, 'a', 'b', 'c');
    get(world, 'a').hasDemand = true;
    await tickAll(world, 4);
    get(world, 'a').claim(4);
    expect(get(world, 'a').memory.unstored.size).toBe(4);
    world.nowMs += 5_100;
    await get(world, 'c').keeper.renew();
    get(world, 'b').hasDemand = true;
    // Its part of the shards it has; those of the frozen one are for c, who has not looked yet.
    await get(world, 'b').tick();
    await startAll(world, 'b');
    await get(world, 'a').memory.flush();
    expect(await world.inFlight()).toBe(4);
  });
});

interface Step {
  readonly act: (world: World) => Promise<void>;
  readonly [fc.toStringMethod]: () => string;
}

const stepOf = (label: string, act: Step['act']): Step => ({ act, [fc.toStringMethod]: () => label });
const onOne = (label: string, act: (world: World, id: string) => Promise<void> | void): fc.Arbitrary<Step> =>
  fc.constantFrom(...names).map((id) =>
    stepOf(`${id} ${label}`, async (world) => {
      if (world.replicas.has(id)) await act(world, id);
    }),
  );
const passing = fc
  .constantFrom(400, 1_000, 3_000, 5_100)
  .map((ms) => stepOf(`${ms} ms pass`, async (world) => void (world.nowMs += ms)));

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: onOne('ticks', (world, id) => get(world, id).tick()) },
  { weight: 5, arbitrary: onOne('claims', (world, id) => get(world, id).claim(100)) },
  { weight: 4, arbitrary: onOne('flushes', (world, id) => get(world, id).memory.flush()) },
  { weight: 3, arbitrary: onOne('finishes', (world, id) => get(world, id).finish(2)) },
  { weight: 2, arbitrary: onOne('wants', (world, id) => void (get(world, id).hasDemand = !get(world, id).hasDemand)) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(...names).map((id) => stepOf(`${id} starts`, (world) => world.start(id))),
  },
  { weight: 1, arbitrary: onOne('dies', (world, id) => world.kill(id)) },
  { weight: 1, arbitrary: onOne('stops', (world, id) => world.stop(id)) },
  { weight: 3, arbitrary: passing },
);

/** Two at a time, as two processes are. */
const pairs = fc.array(fc.tuple(step, step), { minLength: 20, maxLength: 80 });

it('never exceed the whole, whoever comes, goes, dies or freezes', async () => {
  const property = fc.asyncProperty(fc.integer({ min: 1, max: 12 }), pairs, async (whole, steps) => {
    const world = await fresh(whole);
    await world.start('a');
    for (const pair of steps) {
      await Promise.all(pair.map(({ act }) => act(world)));
      expect(await world.sliced(), 'slices').toBeLessThanOrEqual(whole);
      expect(await world.inFlight(), 'in flight').toBeLessThanOrEqual(whole);
    }
    // And nobody is stuck: whoever is left alone with work has everything in the end.
    for (const id of names.slice(1)) await world.kill(id);
    await world.start('a');
    await tickAll(world, 8);
    const last = get(world, 'a');
    await last.finish(100);
    last.claim(100);
    await last.memory.flush();
    expect(await world.inFlight(), 'in the end').toBe(whole);
  });
  await fc.assert(property, { numRuns: 80 });
}, 120_000);

it('never exceed a limit that falls by more than what was granted before it fell', async () => {
  const change = fc
    .integer({ min: 1, max: 12 })
    .map((whole) => stepOf(`the whole is ${whole}`, async (world) => world.setWhole(whole)));
  const changing = fc.array(fc.oneof({ weight: 5, arbitrary: step }, { weight: 1, arbitrary: change }), {
    minLength: 30,
    maxLength: 120,
  });
  const property = fc.asyncProperty(changing, async (steps) => {
    const world = await fresh(6);
    await world.start('a');
    let most = 6;
    for (const { act } of steps) {
      await act(world);
      most = (await world.committed()) <= world.whole ? world.whole : Math.max(most, world.whole);
      expect(await world.sliced(), 'slices').toBeLessThanOrEqual(most);
      expect((await world.inFlight()) + (await world.undecided()), 'in flight').toBeLessThanOrEqual(most);
    }
  });
  await fc.assert(property, { numRuns: 60 });
}, 120_000);
