/** Where a run comes from, what it survived, and what its waiting tasks are waiting with. */
import { collateC, sql, type Migration } from '@cogmesh/database';

export const flowMigration: Migration = {
  name: '0003-flow',
  up: async (db) => {
    for (const column of [
      sql`origin_run_id text ${collateC}`,
      sql`parent_run_id text ${collateC}`,
      sql`parent_task_id text ${collateC}`,
      sql`parent_item_index integer`,
      sql`root_run_id text ${collateC}`,
      sql`deadline_ms bigint`,
      sql`failure text`,
    ]) {
      await db.execute(sql`alter table runs add column ${column}`);
    }
    for (const column of [
      sql`held_ms bigint`,
      sql`lease_ms bigint`,
      sql`losses integer not null default 0`,
      sql`approvals text`,
      sql`own_priority integer not null default 0`,
    ]) {
      await db.execute(sql`alter table tasks add column ${column}`);
    }
    await db.execute(sql`create index runs_nested on runs (parent_run_id) where parent_run_id is not null`);
    await db.execute(sql`create index tasks_nested on tasks (run_id) where state = 'WAITING' and uses = 'run'`);
  },
};
