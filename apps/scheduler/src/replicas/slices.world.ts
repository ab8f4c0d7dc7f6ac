/**
 * Replicas with real keepers and slice books over one database, without an engine: each has attempts in memory that are
 * rows once it flushes. What is counted is what the rows say: only what is stored was ever started.
 */
import { sql, type Database, type SqlRunner } from '@cogmesh/database';
import { createLogger } from '@cogmesh/telemetry';
import { fence } from '../adapters/engine-statements.js';
import type { ShardRow } from './plan-shards.js';
import { ShardKeeper, type Owned, type OwnedMemory } from './shard-keeper.js';
import { SliceBook } from './slice-book.js';
import { flightKey } from './slice-keys.js';
import { SqlReplicas } from './sql-replicas.js';
import { SqlSlices } from './sql-slices.js';

export const worldShards = 4;
const scope = 'capability script';

interface Attempt {
  readonly id: string;
  readonly shard: number;
}

const logger = createLogger({ level: 'silent' });

export class World {
  nowMs = 1_000_000;
  whole: number;
  attempts = 0;
  readonly replicas = new Map<string, Replica>();
  readonly #starting = new Set<string>();

  constructor(
    readonly db: Database,
    whole: number,
  ) {
    this.whole = whole;
  }

  now = () => sql<number>`cast(${this.nowMs} as bigint)`;

  async start(id: string): Promise<void> {
    if (this.replicas.has(id) || this.#starting.has(id)) return;
    this.#starting.add(id);
    const replica = new Replica(this, id);
    void replica.part;
    await replica.keeper.join();
    this.replicas.set(id, replica);
    this.#starting.delete(id);
  }

  setWhole(whole: number): void {
    this.whole = whole;
    // As limits that are applied anew.
    for (const { part } of this.replicas.values()) void part;
  }

  /** Without a word. */
  async kill(id: string): Promise<void> {
    this.replicas.get(id)?.die();
    this.replicas.delete(id);
  }

  async stop(id: string): Promise<void> {
    const replica = this.replicas.get(id);
    if (!replica) return;
    await replica.stop();
    await this.kill(id);
  }

  async inFlight(): Promise<number> {
    const [row] = await this.db.query(
      sql<{ held: number }>`select count(*) as held from tasks where state = 'RUNNING'`,
    );
    return row?.held ?? 0;
  }

  /** What will be in flight once it is stored: of those whose shards nobody has taken. */
  async undecided(): Promise<number> {
    const shards = await this.db.query(sql<ShardRow>`select s.shard, s.epoch, s.owner from scheduler_shards s`);
    const epochs = new Map(shards.map(({ shard, epoch }) => [shard, epoch]));
    const current = [...this.replicas.values()].filter(({ memory }) =>
      [...memory.owned].every(([shard, epoch]) => epochs.get(shard) === epoch),
    );
    return current.reduce((sum, { memory }) => sum + memory.unstored.size, 0);
  }

  /** What may be in flight by what was granted and what is there: of each owner its slice or its rows, whichever is more. */
  async committed(): Promise<number> {
    const amounts = await this.db.query(sql<{ owner: string; amount: number }>`select replica as owner, amount
      from scheduler_slices where scope = ${flightKey(scope)}`);
    const held = await this.db.query(sql<{ owner: string; amount: number }>`select coalesce(s.owner, '') as owner,
      count(*) as amount from tasks t join scheduler_shards s on s.shard = t.shard group by s.owner`);
    const used = new Map<string, number>();
    for (const { owner, amount } of [...amounts, ...held]) used.set(owner, Math.max(amount, used.get(owner) ?? 0));
    const sum = [...used.values()].reduce((total, amount) => total + amount, 0);
    const isAnyWhole = [...this.replicas.values()].some(({ book }) => book.isWhole);
    return Math.max(sum + (await this.undecided()), isAnyWhole ? this.whole : 0);
  }

  async sliced(): Promise<number> {
    const [row] = await this.db.query(sql<{ amount: number }>`select coalesce(sum(amount), 0) as amount
      from scheduler_slices where scope = ${flightKey(scope)}`);
    return row?.amount ?? 0;
  }
}

let incarnations = 0;

export class Replica {
  readonly keeper: ShardKeeper;
  readonly book: SliceBook;
  readonly memory: Memory;
  hasDemand = false;
  #last: Promise<void> = Promise.resolve();

  constructor(
    readonly world: World,
    readonly id: string,
  ) {
    const { db } = world;
    const name = { id, incarnation: `${id}-${(incarnations += 1)}` };
    const monotonicMs = () => world.nowMs;
    this.memory = new Memory(world, () => this.keeper.owned());
    this.book = new SliceBook({
      table: new SqlSlices(db, world.now),
      name,
      isSpread: () => true,
      demand: () => new Map(this.hasDemand ? [[flightKey(scope), 1]] : []),
      inUse: () => this.memory.attempts.size,
      view: () => this.keeper.view,
      stored: () => this.memory.flush(),
      // As limits that are applied anew.
      onChange: () => void this.part,
      logger,
      monotonicMs,
    });
    this.keeper = new ShardKeeper({
      table: new SqlReplicas(db, world.now),
      memory: this.memory,
      name,
      shards: worldShards,
      place: () => 0,
      logger,
      onShardsChanged: () => undefined,
      handOver: { begin: () => this.book.beginHandOver(), end: () => this.book.endHandOver() },
      onRunOut: () => this.book.drop(),
      onLost: () => undefined,
      monotonicMs,
    });
  }

  get part(): number {
    return this.book.inFlight(scope, this.world.whole);
  }

  /** Starts as many as it may, and `most`. */
  claim(most: number): void {
    const shards = [...this.memory.owned.keys()];
    // What has no lease decides nothing; the timer that says so runs by another clock than this world.
    if (this.keeper.view === undefined) this.book.drop();
    if (!this.memory.isOpen || shards.length === 0 || this.keeper.view === undefined) return;
    for (let started = 0; started < most && this.memory.attempts.size < this.part; started += 1) {
      const id = `attempt_${(this.world.attempts += 1)}`;
      const shard = shards[started % shards.length] ?? 0;
      this.memory.attempts.set(id, { id, shard });
      this.memory.unstored.set(id, { id, shard });
    }
  }

  /** The first `count` of what it has in flight end. */
  async finish(count: number): Promise<void> {
    await this.memory.flush();
    for (const { id } of [...this.memory.attempts.values()].slice(0, count)) {
      await this.world.db.execute(sql`delete from tasks where attempt_id = ${id}`);
      this.memory.attempts.delete(id);
    }
  }

  /** One at a time, as the keeper's own loop. */
  tick(): Promise<void> {
    this.#last = this.#last.then(() => this.#tick());
    return this.#last;
  }

  async #tick(): Promise<void> {
    if (this.keeper.view === undefined) this.book.drop();
    await this.keeper.renew();
    await this.keeper.reconcile();
    await this.book.tick();
  }

  stop(): Promise<void> {
    this.#last = this.#last.then(() => this.keeper.stop());
    return this.#last;
  }

  die(): void {
    this.memory.isDead = true;
  }
}

class Memory implements OwnedMemory {
  owned: Owned = new Map();
  isOpen = false;
  isDead = false;
  attempts = new Map<string, Attempt>();
  unstored = new Map<string, Attempt>();
  #last: Promise<void> = Promise.resolve();

  constructor(
    readonly world: World,
    readonly wanted: () => Owned,
  ) {}

  async read(): Promise<void> {
    await this.flush();
    this.isOpen = false;
    try {
      this.owned = this.wanted();
    } catch {
      return;
    }
    const rows = await this.world.db.query(sql<Attempt>`select attempt_id as id, shard from tasks`);
    this.attempts = new Map(rows.filter(({ shard }) => this.owned.has(shard)).map((row) => [row.id, row]));
    this.isOpen = true;
  }

  async close(): Promise<void> {
    await this.flush();
    this.isOpen = false;
    this.owned = new Map();
  }

  doubt(): void {
    this.isOpen = false;
  }

  /** One at a time. What another owner's epoch refuses never happened. */
  flush(): Promise<void> {
    this.#last = this.#last.then(() => this.#flush());
    return this.#last;
  }

  async #flush(): Promise<void> {
    const { db } = this.world;
    const unstored = [...this.unstored.values()];
    this.unstored = new Map();
    if (unstored.length === 0 || this.isDead) return;
    try {
      await db.transaction(async (tx) => {
        const touched = unstored.map(({ shard }) => [shard, this.owned.get(shard) ?? -1] as const);
        await tx.query(fence(tx.dialect, new Map(touched)));
        for (const attempt of unstored) await insertHeld(tx, attempt);
      });
    } catch {
      for (const { id } of unstored) this.attempts.delete(id);
    }
  }
}

async function insertHeld(tx: SqlRunner, { id, shard }: Attempt): Promise<void> {
  await tx.execute(sql`insert into tasks (run_id, task_id, item_index, shard, position, organisation, uses, priority,
    control, state, pending, capability, attempt, attempt_id, agent_id, output_bytes, items_total, items_succeeded,
    items_failed, items_released)
    values ('run', ${id}, -1, ${shard}, 0, 'acme', 'script', 5, 0, 'RUNNING', 0, 'script', 1, ${id}, 'agent', 0, 0, 0, 0, 0)`);
}
