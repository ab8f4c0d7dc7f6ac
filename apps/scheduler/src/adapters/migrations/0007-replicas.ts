/**
 * Schedulers that share one database: who lives, what is asked of the owner of a shard, over how many shards an organisation
 * is spread, and who holds how much of what is limited as a whole. Who owns which shard is in `scheduler_shards`.
 */
import { collateC, sql, type Migration } from '@cogmesh/database';

export const replicasMigration: Migration = {
  name: '0007-replicas',
  up: async (db) => {
    // The lease is the replica's.
    await db.execute(sql`alter table scheduler_shards drop column lease_until`);
    await db.execute(sql`create table scheduler_replicas (
      id text ${collateC} primary key,
      incarnation text ${collateC} not null,
      started_at bigint not null,
      seen_at bigint not null,
      lease_until bigint not null,
      sliced integer not null
    )`);
    await db.execute(sql`create table scheduler_commands (
      id text ${collateC} primary key,
      shard integer not null,
      kind text ${collateC} not null,
      body text not null,
      awaited integer not null,
      created_at bigint not null,
      answer text,
      error text,
      done_at bigint
    )`);
    await db.execute(sql`create index scheduler_commands_open on scheduler_commands (shard, id) where done_at is null`);
    await db.execute(
      sql`create index scheduler_commands_done on scheduler_commands (done_at) where done_at is not null`,
    );
    await db.execute(sql`alter table scopes add column parts integer not null default 0`);
    await db.execute(sql`drop index runs_unfinished`);
    await db.execute(sql`create index runs_unfinished on runs (organisation, id)
      where state in ('PENDING', 'RUNNING', 'PAUSED', 'CANCELLING')`);
    await db.execute(sql`create table scheduler_slices (
      scope text ${collateC} not null,
      replica text ${collateC} not null,
      amount double precision not null,
      weight double precision not null,
      primary key (scope, replica)
    )`);
    // Locked by whoever takes more.
    await db.execute(sql`insert into scheduler_slices (scope, replica, amount, weight) values ('', '', 0, 0)`);
  },
};
