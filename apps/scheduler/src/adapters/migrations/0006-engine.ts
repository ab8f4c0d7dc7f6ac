/**
 * The tables for an engine that keeps runs in memory: who owns which shard, the place of ready tasks in their order, and
 * indexes for what is read at a start and page by page. A change of state writes into the primary key and into the one
 * partial index of its new state, if there is one.
 */
import { byDialect, collateC, sql, type Migration, type SqlRunner } from '@cogmesh/database';

/** What one level of priority was worth, milliseconds, when the order was last made from times. */
const ageingMs = 30_000;

const waiting = sql.raw(`('READY', 'RETRY_WAIT', 'WAITING')`);
const held = sql.raw(`('CLAIMED', 'PUBLISHED', 'RUNNING')`);

/** A run changes with each of its steps; with a free place in its page that writes no index. */
const roomForChanges = byDialect({ postgres: sql`alter table runs set (fillfactor = 70)`, sqlite: sql`select 1` });

/**
 * A run and what belongs to it are written in one transaction; looking for the run again with each row is a quarter of the
 * server's work. SQLite has it for next to nothing, and no way to leave it.
 */
const withoutReferences = ['tasks', 'run_events'].map((table) =>
  byDialect({
    postgres: sql.raw(`alter table ${table} drop constraint ${table}_run_id_fkey`),
    sqlite: sql`select 1`,
  }),
);

async function createIndexes(db: SqlRunner): Promise<void> {
  for (const old of ['tasks_ready', 'tasks_held', 'tasks_due', 'tasks_open']) {
    await db.execute(sql`drop index ${sql.raw(old)}`);
  }
  await db.execute(sql`create index tasks_lane on tasks
    (organisation, uses, concurrency_group, affinity, control, rank, run_id, task_id, item_index, shard, priority, ready_at)
    where state = 'READY'`);
  await db.execute(sql`create index tasks_held on tasks (shard) where state in ${held}`);
  await db.execute(
    sql`create index tasks_due on tasks (due_at, run_id) where due_at is not null and state in ${waiting}`,
  );
  await db.execute(sql`create index runs_paused on runs (id) where state = 'PAUSED'`);
}

export const engineMigration: Migration = {
  name: '0006-engine',
  up: async (db) => {
    // Each task's plan names what it depends on.
    await db.execute(sql`drop table edges`);
    await db.execute(sql`alter table tasks add column rank bigint not null default 0`);
    await db.execute(sql`update tasks set rank = coalesce(ready_at, 0) - priority * ${ageingMs} where state = 'READY'`);
    await createIndexes(db);
    await db.execute(sql`create table scheduler_shards (
      shard integer primary key,
      epoch bigint not null,
      owner text ${collateC},
      lease_until bigint not null
    )`);
    await db.execute(roomForChanges);
    for (const change of withoutReferences) await db.execute(change);
  },
};
