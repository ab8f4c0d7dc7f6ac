import { collateC, sql, type Migration } from '@cogmesh/database';

export const registryMigrations: readonly Migration[] = [
  {
    name: '0001-agents',
    up: async (db) => {
      await db.execute(sql`create table agents (
        id text ${collateC} primary key,
        name text not null,
        organisation text not null,
        kind text not null,
        identity text not null,
        state text not null,
        capabilities text not null,
        labels text not null,
        address text not null,
        portrait text not null,
        connected_at bigint not null,
        last_heartbeat_at bigint not null,
        changed_at bigint not null)`);
    },
  },
  {
    name: '0002-relayed-attempts',
    up: async (db) => {
      await db.execute(sql`create table relayed_attempts (
        attempt_id text ${collateC} primary key,
        agent_id text ${collateC} not null,
        run_id text not null,
        organisation text not null,
        capability text not null,
        grant_jws text not null,
        traceparent text not null,
        started_at bigint not null)`);
      await db.execute(sql`create index relayed_attempts_by_agent on relayed_attempts (agent_id)`);
    },
  },
  {
    name: '0003-input-schemas',
    up: async (db) => {
      // At most 32 KiB of JSON each; agents name them by digest in `capabilities`.
      await db.execute(sql`create table input_schemas (
        sha256 text ${collateC} primary key,
        json text not null)`);
    },
  },
];
