/**
 * The rows that schedulers of one database agree by: a lease for each replica, an epoch and an owner for each shard. The
 * lease is the replica's and not the shard's, so that renewing it never touches the rows that every flush compares; a shard's
 * row changes only with its owner, and then its epoch grows. All by the database's clock.
 */
import { bulk, forUpdate, nowMillis, sql, type Database, type SqlRunner, type Statement } from '@cogmesh/database';
import { CogmeshError } from '@cogmesh/errors';
import type { ReplicaRow, ReplicaView, ShardRow } from './plan-shards.js';

export interface ReplicaName {
  /** Of the place it runs at: a restarted process has the same. */
  readonly id: string;
  /** Of this process alone. */
  readonly incarnation: string;
}

/** Rows of replicas that have been dead for so long are removed, milliseconds. */
const forgottenAfterMs = 24 * 3_600_000;

export class SqlReplicas {
  readonly #db: Database;
  readonly #now: () => Statement<number>;

  constructor(db: Database, now: () => Statement<number> = () => nowMillis) {
    this.#db = db;
    this.#now = now;
  }

  /**
   * Makes the shards when the database has none; `invalid_config` when it has another number. `place` says where unfinished
   * runs of an organisation belong that were stored before there were shards.
   */
  async fixShards(shards: number, place: (organisation: string) => number): Promise<void> {
    const found = await this.#db.transaction(async (tx) => {
      const before = await countShards(tx);
      if (before > 0) return before;
      const rows = Array.from({ length: shards }, (_, shard) => ({ shard }));
      await tx.execute(sql`insert into scheduler_shards (shard, epoch)
        select shard, 0 from ${bulk(tx.dialect, rows, { shard: 'integer' })} as r where true on conflict do nothing`);
      await placeRuns(tx, place);
      return countShards(tx);
    });
    if (found === shards) return;
    throw new CogmeshError(
      'invalid_config',
      `this database was made with ${found} shards, and that cannot change: set COGMESH_SCHEDULER_SHARDS=${found}`,
      { stored: found, asked: shards },
    );
  }

  /** Begins a life; whoever lived under this id has lost it. Answers whether somebody may have been alive. */
  join({ id, incarnation }: ReplicaName, leaseMs: number): Promise<boolean> {
    return this.#db.transaction(async (tx) => {
      const living = await tx.query(sql`select r.id from scheduler_replicas r
        where r.id = ${id} and r.lease_until > ${this.#now()}`);
      await tx.execute(sql`insert into scheduler_replicas (id, incarnation, started_at, seen_at, lease_until, sliced)
        values (${id}, ${incarnation}, ${this.#now()}, ${this.#now()}, ${this.#now()} + ${leaseMs}, 1)
        on conflict (id) do update set incarnation = excluded.incarnation, started_at = excluded.started_at,
          seen_at = excluded.seen_at, lease_until = excluded.lease_until, sliced = 1`);
      await tx.execute(sql`delete from scheduler_replicas where lease_until < ${this.#now()} - ${forgottenAfterMs}`);
      return living.length > 0;
    });
  }

  /** False when the row is another process's now, or gone. */
  async renew({ id, incarnation }: ReplicaName, leaseMs: number): Promise<boolean> {
    const renewed = await this.#db.execute(sql`update scheduler_replicas
      set seen_at = ${this.#now()}, lease_until = ${this.#now()} + ${leaseMs}
      where id = ${id} and incarnation = ${incarnation}`);
    return renewed > 0;
  }

  /** Ends the life at once; its shards are to be given back before. */
  async leave({ id, incarnation }: ReplicaName): Promise<void> {
    await this.#db.execute(sql`delete from scheduler_replicas where id = ${id} and incarnation = ${incarnation}`);
  }

  async look(): Promise<ReplicaView> {
    const [shards, replicas, [clock]] = await Promise.all([
      this.#db.query(sql<ShardRow>`select s.shard, s.epoch, s.owner from scheduler_shards s order by s.shard`),
      this.#db.query(sql<ReplicaRow>`select r.id, r.incarnation, r.lease_until as "leaseUntil", r.sliced
        from scheduler_replicas r order by r.id`),
      this.#db.query(sql<{ now: number }>`select ${this.#now()} as now`),
    ]);
    return { now: clock?.now ?? 0, replicas, shards };
  }

  /** Makes these shards ours as far as nobody else has changed them since; answers their new epochs. */
  async take({ id, incarnation }: ReplicaName, shards: readonly ShardRow[]): Promise<Map<number, number>> {
    if (shards.length === 0) return new Map();
    const taken = await this.#db.transaction(async (tx) => {
      // A process that has lost its id takes nothing from the one that has it.
      const self = await tx.query(sql`select r.id from scheduler_replicas r
        where r.id = ${id} and r.incarnation = ${incarnation} ${forUpdate(tx.dialect)}`);
      if (self.length === 0) return [];
      const wanted = bulk(tx.dialect, shards, { shard: 'integer', epoch: 'bigint' });
      await lockShards(
        tx,
        shards.map(({ shard }) => shard),
      );
      return tx.query(sql<{ shard: number; epoch: number }>`update scheduler_shards
        set owner = ${id}, epoch = scheduler_shards.epoch + 1
        from ${wanted} as w where scheduler_shards.shard = w.shard and scheduler_shards.epoch = w.epoch
        returning scheduler_shards.shard, scheduler_shards.epoch`);
    });
    return new Map(taken.map(({ shard, epoch }) => [shard, epoch]));
  }

  /** Makes shards nobody's that are ours by these epochs. */
  async release({ id }: ReplicaName, shards: ReadonlyMap<number, number>): Promise<void> {
    if (shards.size === 0) return;
    const rows = [...shards].map(([shard, epoch]) => ({ shard, epoch }));
    await this.#db.transaction(async (tx) => {
      await lockShards(tx, [...shards.keys()]);
      await tx.execute(sql`update scheduler_shards set owner = null
        from ${bulk(tx.dialect, rows, { shard: 'integer', epoch: 'bigint' })} as w
        where scheduler_shards.shard = w.shard and scheduler_shards.epoch = w.epoch and scheduler_shards.owner = ${id}`);
    });
  }
}

/** In order, as flushes do, so that nobody waits for each other in a circle. */
async function lockShards(tx: SqlRunner, shards: readonly number[]): Promise<void> {
  const wanted = bulk(tx.dialect, shards.map((shard) => ({ shard })), { shard: 'integer' }); // prettier-ignore
  await tx.query(sql`select s.shard from scheduler_shards s where s.shard in (select shard from ${wanted} as w)
    order by s.shard ${forUpdate(tx.dialect)}`);
}

async function countShards(tx: SqlRunner): Promise<number> {
  const [row] = await tx.query(sql<{ shards: number }>`select count(*) as shards from scheduler_shards`);
  return row?.shards ?? 0;
}

async function placeRuns(tx: SqlRunner, place: (organisation: string) => number): Promise<void> {
  const unfinished = sql`('PENDING', 'RUNNING', 'PAUSED', 'CANCELLING')`;
  const organisations = await tx.query(sql<{ organisation: string }>`select distinct r.organisation from runs r
    where r.state in ${unfinished}`);
  for (const { organisation } of organisations) {
    const ids = sql`select r.id from runs r where r.organisation = ${organisation} and r.state in ${unfinished}`;
    await tx.execute(sql`update tasks set shard = ${place(organisation)} where run_id in (${ids})`);
    await tx.execute(sql`update runs set shard = ${place(organisation)}
      where organisation = ${organisation} and state in ${unfinished}`);
  }
}
