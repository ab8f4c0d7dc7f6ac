import { collateC, jsonColumn, sql, type Migration } from '@cogmesh/database';

const id = sql`text ${collateC}`;

/** Notes on versions, the candidate of each organisation, and what it would have decided otherwise. */
export const versionMigrations: readonly Migration[] = [
  {
    name: '0002-versions',
    up: async (db) => {
      await db.execute(sql`alter table policy_sets add column note text not null default ''`);
      await db.execute(sql`
        create table policy_candidates (
          organisation ${id} primary key references organisations (name),
          id ${id} not null,
          based_on_epoch bigint not null,
          document ${jsonColumn} not null,
          written_by text not null,
          written_at bigint not null,
          note text not null,
          compared bigint not null,
          skipped bigint not null,
          flips_to_deny bigint not null,
          flips_to_allow bigint not null
        )`);
      await db.execute(sql`
        create table policy_flips (
          candidate ${id} not null,
          flip_key ${id} not null,
          caller_organisation text not null,
          subject text not null,
          action text not null,
          resource text not null,
          owner text not null,
          live_code text not null,
          candidate_code text not null,
          live_reason text not null,
          candidate_reason text not null,
          count bigint not null,
          last_at bigint not null,
          primary key (candidate, flip_key)
        )`);
    },
  },
];
