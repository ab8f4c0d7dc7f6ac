/**
 * Who holds how much of each whole. Lowering is one statement and cannot raise; raising is one transaction at a time in all
 * of the database, which checks that everything together stays within the whole. What counts for a replica is what it may
 * start or what its shards' rows say is in flight, whichever is more: so slices need not follow shards when those move.
 */
import { bulk, forUpdate, nowMillis, sql, type Database, type SqlRunner, type Statement } from '@cogmesh/database';
import { isRate, keysOf, type HeldWork } from './slice-keys.js';
import type { ReplicaName } from './sql-replicas.js';

export interface SliceRow {
  readonly scope: string;
  readonly replica: string;
  readonly amount: number;
  /** Of what waits for it there; 0 when nothing does. */
  readonly weight: number;
}

export interface OwnSlice {
  readonly scope: string;
  readonly amount: number;
  readonly weight: number;
}

export interface Raise {
  readonly scope: string;
  readonly whole: number;
  /** Wanted in all. */
  readonly amount: number;
}

interface Neighbour {
  readonly id: string;
  readonly sliced: number;
  readonly isAlive: number;
  readonly shards: number;
}

export class SqlSlices {
  readonly #db: Database;
  readonly #now: () => Statement<number>;

  constructor(db: Database, now: () => Statement<number> = () => nowMillis) {
    this.#db = db;
    this.#now = now;
  }

  async read(): Promise<SliceRow[]> {
    return this.#db.query(sql<SliceRow>`select s.scope, s.replica, s.amount, s.weight from scheduler_slices s
      where s.replica <> ''`);
  }

  /** What a living replica holds. Nobody counts it out at the same time. */
  recall({ id }: ReplicaName): Promise<SliceRow[]> {
    return this.#db.transaction(async (tx) => {
      await lockSlices(tx);
      return tx.query(sql<SliceRow>`select s.scope, s.replica, s.amount, s.weight from scheduler_slices s
        where s.replica = ${id}`);
    });
  }

  /** Amounts only ever get less by this; a scope that is not stored begins with nothing. */
  async lower({ id }: ReplicaName, slices: readonly OwnSlice[]): Promise<void> {
    if (slices.length === 0) return;
    const rows = bulk(this.#db.dialect, slices, { scope: 'text', amount: 'double', weight: 'double' });
    await this.#db.execute(sql`insert into scheduler_slices (scope, replica, amount, weight)
      select r.scope, ${id}, 0, r.weight from ${rows} as r where true
      on conflict (scope, replica) do update set weight = excluded.weight`);
    await this.#db.execute(sql`update scheduler_slices set amount = r.amount from ${rows} as r
      where scheduler_slices.scope = r.scope and scheduler_slices.replica = ${id}
      and scheduler_slices.amount > r.amount`);
    await this.#db.execute(sql`delete from scheduler_slices where replica = ${id} and amount = 0 and weight = 0`);
  }

  /** Everything this replica holds is nobody's, and it keeps to its slices from here on. */
  async enter({ id, incarnation }: ReplicaName): Promise<void> {
    await this.#db.transaction(async (tx) => {
      await tx.execute(sql`delete from scheduler_slices where replica = ${id}`);
      await tx.execute(sql`update scheduler_replicas set sliced = 1 where id = ${id} and incarnation = ${incarnation}`);
    });
  }

  /** Everything is this replica's; false when there is another one. */
  async becomeWhole({ id, incarnation }: ReplicaName): Promise<boolean> {
    return this.#db.transaction(async (tx) => {
      await lockSlices(tx);
      const others = (await this.#neighbours(tx)).filter((other) => other.id !== id);
      if (others.some(({ isAlive, shards }) => isAlive === 1 || shards > 0)) return false;
      await tx.execute(sql`delete from scheduler_slices where replica <> ''`);
      const changed = await tx.execute(sql`update scheduler_replicas set sliced = 0
        where id = ${id} and incarnation = ${incarnation}`);
      return changed > 0;
    });
  }

  /** Takes as much of what is wanted as is free; answers what it holds now of each scope that grew. */
  async raise(name: ReplicaName, wanted: readonly Raise[]): Promise<Map<string, number>> {
    if (wanted.length === 0) return new Map();
    return this.#db.transaction(async (tx) => {
      await lockSlices(tx);
      const neighbours = await this.#neighbours(tx);
      const self = neighbours.find(({ id }) => id === name.id);
      const others = neighbours.filter(({ id, isAlive, shards }) => id !== name.id && (isAlive === 1 || shards > 0));
      // Somebody takes the whole of everything.
      if (self?.sliced !== 1 || others.some(({ sliced }) => sliced === 0)) return new Map();
      const present = new Set([name.id, ...others.map(({ id }) => id)]);
      await removeOthers(tx, present);
      const grown = grow(name.id, wanted, { rows: await slicesOf(tx, wanted), held: await heldElsewhere(tx, name.id) });
      await store(tx, name.id, grown);
      return grown;
    });
  }

  #neighbours(tx: SqlRunner): Promise<Neighbour[]> {
    return tx.query(sql<Neighbour>`select r.id, r.sliced,
      case when r.lease_until > ${this.#now()} then 1 else 0 end as "isAlive",
      (select count(*) from scheduler_shards s where s.owner = r.id) as shards
      from scheduler_replicas r`);
  }
}

interface Taken {
  readonly rows: readonly SliceRow[];
  /** In flight by scope and owner. */
  readonly held: ReadonlyMap<string, ReadonlyMap<string, number>>;
}

function grow(me: string, wanted: readonly Raise[], { rows, held }: Taken): Map<string, number> {
  const grown = new Map<string, number>();
  for (const { scope, whole, amount } of wanted) {
    const used = new Map(isRate(scope) ? [] : held.get(scope));
    let own = 0;
    for (const row of rows) {
      if (row.scope !== scope) continue;
      if (row.replica === me) own = row.amount;
      else used.set(row.replica, Math.max(row.amount, used.get(row.replica) ?? 0));
    }
    const free = whole - [...used.values()].reduce((sum, each) => sum + each, 0);
    const got = Math.min(amount, free);
    if (got > own) grown.set(scope, got);
  }
  return grown;
}

async function lockSlices(tx: SqlRunner): Promise<void> {
  await tx.query(
    sql`select s.scope from scheduler_slices s where s.scope = '' and s.replica = '' ${forUpdate(tx.dialect)}`,
  );
}

function slicesOf(tx: SqlRunner, wanted: readonly Raise[]): Promise<SliceRow[]> {
  const scopes = bulk(tx.dialect, wanted.map(({ scope }) => ({ scope })), { scope: 'text' }); // prettier-ignore
  return tx.query(sql<SliceRow>`select s.scope, s.replica, s.amount, s.weight from scheduler_slices s
    where s.scope in (select scope from ${scopes} as w) and s.replica <> ''`);
}

async function store(tx: SqlRunner, replica: string, grown: ReadonlyMap<string, number>): Promise<void> {
  if (grown.size === 0) return;
  const entries = [...grown].map(([scope, amount]) => ({ scope, amount }));
  await tx.execute(sql`insert into scheduler_slices (scope, replica, amount, weight)
    select r.scope, ${replica}, r.amount, 0 from ${bulk(tx.dialect, entries, { scope: 'text', amount: 'double' })} as r
    where true on conflict (scope, replica) do update set amount = excluded.amount`);
}

/** Of replicas that are dead and own nothing any more. */
async function removeOthers(tx: SqlRunner, present: ReadonlySet<string>): Promise<void> {
  const rows = bulk(tx.dialect, [...present].map((id) => ({ id })), { id: 'text' }); // prettier-ignore
  await tx.execute(sql`delete from scheduler_slices where replica <> ''
    and replica not in (select id from ${rows} as r)`);
}

/** What is in flight in shards of others and of nobody. */
async function heldElsewhere(tx: SqlRunner, me: string): Promise<Map<string, Map<string, number>>> {
  const rows = await tx.query(sql<HeldWork & { owner: string; held: number }>`
    select coalesce(s.owner, '') as owner, t.organisation, t.uses, t.concurrency_group as "concurrencyGroup",
      t.agent_id as "agentId", t.queue, t.capability, count(*) as held
    from tasks t join scheduler_shards s on s.shard = t.shard
    where t.state in ('CLAIMED', 'PUBLISHED', 'RUNNING') and t.attempt_id is not null and coalesce(s.owner, '') <> ${me}
    group by s.owner, t.organisation, t.uses, t.concurrency_group, t.agent_id, t.queue, t.capability`);
  const held = new Map<string, Map<string, number>>();
  for (const row of rows) {
    for (const key of keysOf(row)) {
      const byOwner = held.get(key) ?? new Map<string, number>();
      byOwner.set(row.owner, (byOwner.get(row.owner) ?? 0) + row.held);
      held.set(key, byOwner);
    }
  }
  return held;
}
