/** Limits, shares and pauses of scopes; the concurrency group of each task beside its plan, where the ready order reads it. */
import { collateC, sql, type Migration } from '@cogmesh/database';

export const scopesMigration: Migration = {
  name: '0002-scopes',
  up: async (db) => {
    await db.execute(sql`create table scopes (
      kind text ${collateC} not null,
      organisation text ${collateC} not null,
      name text ${collateC} not null,
      max_in_flight integer not null,
      rate_per_second double precision not null,
      burst integer not null,
      max_queued bigint not null,
      weight integer not null,
      service_class integer not null,
      paused integer not null,
      changed_at bigint not null,
      changed_by text not null,
      primary key (kind, organisation, name)
    )`);
    await db.execute(sql`alter table tasks add column concurrency_group text ${collateC}`);
  },
};
