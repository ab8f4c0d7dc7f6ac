/**
 * Keepers over a real database, each with an engine that only notes what it was told. They are stepped by hand; where the
 * database's clock can be passed in, so is the time.
 */
import { sql, type Database } from '@cogmesh/database';
import { createLogger } from '@cogmesh/telemetry';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { schedulerMigrations } from '../adapters/migrations.js';
import { ShardKeeper, type Owned, type OwnedMemory, type ShardKeeperOptions } from './shard-keeper.js';
import { SqlReplicas } from './sql-replicas.js';

const shards = 8;

/** Owns what it is told, as of when it was told. */
class NotingMemory implements OwnedMemory {
  owned: Owned = new Map();
  isOpen = false;
  reads = 0;
  wanted: () => Owned = () => new Map();
  /** Before the engine is told. */
  whileReading: (() => Promise<void>) | undefined;

  async read(): Promise<void> {
    this.isOpen = false;
    try {
      await this.whileReading?.();
      this.owned = this.wanted();
    } catch {
      return;
    }
    this.isOpen = true;
    this.reads += 1;
  }
  async close(): Promise<void> {
    this.isOpen = false;
    this.owned = new Map();
  }
  doubt(): void {
    this.isOpen = false;
  }
}

export function keeperContract(name: string, open: () => Promise<Database>): void {
  describe(`shard keepers over ${name}`, () => {
    let db: Database;
    let nowMs = 1_000_000;
    let keepers: ShardKeeper[] = [];
    let lost: string[] = [];

    beforeEach(async () => {
      db = await open();
      await db.migrate(schedulerMigrations);
      nowMs = 1_000_000;
      keepers = [];
      lost = [];
    });
    afterEach(async () => {
      for (const keeper of keepers) await keeper.stop();
      await db.close();
    });

    let incarnations = 0;
    const keeperOf = (id: string, extra: Partial<ShardKeeperOptions> = {}) => {
      const engine = new NotingMemory();
      const keeper = new ShardKeeper({
        table: new SqlReplicas(db, () => sql<number>`cast(${nowMs} as bigint)`),
        memory: engine,
        name: { id, incarnation: `${id}-${(incarnations += 1)}` },
        shards,
        place: (organisation) => organisation.length % shards,
        logger: createLogger({ level: 'silent' }),
        onShardsChanged: () => undefined,
        onLost: () => lost.push(id),
        monotonicMs: () => nowMs,
        ...extra,
      });
      engine.wanted = () => keeper.owned();
      keepers.push(keeper);
      return { keeper, engine };
    };
    const started = async (...args: Parameters<typeof keeperOf>) => {
      const made = keeperOf(...args);
      await made.keeper.join();
      return made;
    };
    const owners = async () =>
      (await db.query<{ owner: string | null }>(sql`select owner from scheduler_shards order by shard`)).map(
        (row) => row.owner ?? '-',
      );
    const allOf = (engine: NotingMemory) => [...engine.owned.keys()].toSorted((a, b) => a - b);

    it('owns everything at once when it is alone', async () => {
      const { keeper, engine } = await started('a');
      expect(allOf(engine)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
      expect(new Set(engine.owned.values())).toEqual(new Set([1]));
      expect(keeper.isSettled).toBe(true);
    });

    it('refuses another number of shards and says what to do', async () => {
      await started('a');
      const other = keeperOf('b', { shards: 9 });
      await expect(other.keeper.join()).rejects.toMatchObject({
        code: 'invalid_config',
        message: expect.stringContaining('COGMESH_SCHEDULER_SHARDS=8') as string,
      });
    });

    it('shares with one that joins, and is never asked to work on what the other has', async () => {
      const a = await started('a');
      const b = await started('b');
      expect(allOf(b.engine)).toEqual([]);
      expect(b.keeper.isSettled).toBe(true);
      const order: string[] = [];
      a.engine.whileReading = async () => void order.push((await owners()).join(''));
      await a.keeper.reconcile();
      // Still its own in the database while the engine lets go.
      expect(order).toEqual(['aaaaaaaa']);
      expect(await owners()).toEqual(['a', 'a', 'a', 'a', '-', '-', '-', '-']);
      await b.keeper.reconcile();
      expect(allOf(a.engine)).toEqual([0, 1, 2, 3]);
      expect(allOf(b.engine)).toEqual([4, 5, 6, 7]);
      expect(new Set(b.engine.owned.values())).toEqual(new Set([2]));
    });

    it('does not read the state anew while nothing changes', async () => {
      const { keeper, engine } = await started('a');
      for (let tick = 0; tick < 3; tick += 1) {
        await keeper.renew();
        await keeper.reconcile();
      }
      expect(engine.reads).toBe(1);
    });

    it('takes what a dead one had when its lease has run out, not before', async () => {
      const a = await started('a');
      const b = await started('b');
      await a.keeper.reconcile();
      await b.keeper.reconcile();
      nowMs += 4_400;
      await b.keeper.renew();
      await b.keeper.reconcile();
      expect(allOf(b.engine)).toEqual([4, 5, 6, 7]);
      nowMs += 700;
      await b.keeper.renew();
      await b.keeper.reconcile();
      expect(allOf(b.engine)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
      // The one that was thought dead wakes up: it stops, renews, and works on what is left to it.
      expect(a.keeper.isSettled).toBe(false);
      await a.keeper.renew();
      await a.keeper.reconcile();
      expect(allOf(a.engine)).toEqual([]);
      await b.keeper.reconcile();
      await a.keeper.reconcile();
      expect(allOf(a.engine)).toEqual([4, 5, 6, 7]);
      expect(new Set(a.engine.owned.values())).toEqual(new Set([3]));
    });

    it('hands over at a stop without waiting for a lease', async () => {
      const a = await started('a');
      const b = await started('b');
      await a.keeper.stop();
      expect(a.engine.isOpen).toBe(false);
      expect(await owners()).toEqual(['-', '-', '-', '-', '-', '-', '-', '-']);
      await b.keeper.reconcile();
      expect(allOf(b.engine)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    });

    it('takes its own back at once after a crash, by a new epoch, and shuts out the process before', async () => {
      const before = await started('a');
      const after = await started('a');
      expect(allOf(after.engine)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
      expect(new Set(after.engine.owned.values())).toEqual(new Set([2]));
      await before.keeper.renew();
      expect(lost).toEqual(['a']);
      expect(before.engine.isOpen).toBe(false);
      expect(before.keeper.isSettled).toBe(false);
      await before.keeper.reconcile();
      await after.keeper.renew();
      await after.keeper.reconcile();
      expect(after.engine.isOpen).toBe(true);
      expect(after.engine.reads).toBe(1);
    });

    it('keeps what it gives back until the engine has let go of it', async () => {
      const a = await started('a');
      await started('b');
      a.engine.whileReading = async () => {
        throw new Error('the database is away');
      };
      await a.keeper.reconcile();
      expect(await owners()).toEqual(['a', 'a', 'a', 'a', 'a', 'a', 'a', 'a']);
      expect(a.keeper.isSettled).toBe(false);
      a.engine.whileReading = undefined;
      await a.keeper.reconcile();
      expect(await owners()).toEqual(['a', 'a', 'a', 'a', '-', '-', '-', '-']);
      expect(a.keeper.isSettled).toBe(true);
    });

    it('says nothing of what is owned while it has no lease', async () => {
      const { keeper } = await started('a');
      nowMs += 4_600;
      expect(() => keeper.owned()).toThrow('no lease');
      await keeper.renew();
      expect(keeper.owned().size).toBe(shards);
    });

    it('lets go of what is limited as a whole before shards go to others', async () => {
      const told: string[] = [];
      const begin = async () => void told.push(`begin ${(await owners()).join('')}`);
      const a = await started('a', { handOver: { begin, end: () => told.push('end') } });
      told.length = 0;
      await started('b');
      await a.keeper.reconcile();
      expect(told).toEqual(['begin aaaaaaaa', 'end']);
      await a.keeper.stop();
      expect(told).toEqual(['begin aaaaaaaa', 'end', 'begin aaaa----']);
    });

    it('places unfinished runs that were there before there were shards', async () => {
      const columns = sql`id, organisation, name, priority, labels, input, submitted_by, traceparent, created_at,
        task_count, state, sequence, open_tasks, total_tasks`;
      for (const [id, organisation, state] of [
        ['run_1', 'acme', 'RUNNING'],
        ['run_2', 'acme', 'SUCCEEDED'],
        ['run_3', 'globex', 'PAUSED'],
      ]) {
        await db.execute(sql`insert into runs (${columns})
          values (${id}, ${organisation}, 'x', 5, '{}', 'null', 'x', '', 0, 0, ${state}, 1, 0, 0)`);
      }
      await started('a');
      const rows = await db.query(sql`select id, shard from runs order by id`);
      expect(rows).toEqual([
        { id: 'run_1', shard: 4 },
        { id: 'run_2', shard: 0 },
        { id: 'run_3', shard: 6 },
      ]);
    });
  });
}
