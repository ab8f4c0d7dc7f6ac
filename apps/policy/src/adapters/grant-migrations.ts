import { collateC, jsonColumn, sql, type Migration } from '@cogmesh/database';

const id = sql`text ${collateC}`;

/** Grants that were made by calls. One that is revoked stays, so that its id never comes back. */
export const grantMigrations: readonly Migration[] = [
  {
    name: '0004-partner-grants',
    up: async (db) => {
      await db.execute(sql`
        create table partner_grants (
          id ${id} primary key,
          grantor ${id} not null references organisations (name),
          grantee ${id} not null references organisations (name),
          parent_id ${id} not null,
          delegated_by ${id} not null,
          state text not null,
          claims ${jsonColumn} not null,
          jws text not null,
          expires_at bigint not null,
          created_by text not null,
          created_at bigint not null,
          accepted_by text not null default '',
          accepted_at bigint,
          revoked_by text not null default '',
          revoked_at bigint,
          revoke_reason text not null default ''
        )`);
      await db.execute(sql`create index partner_grants_by_grantor on partner_grants (grantor, state)`);
      await db.execute(sql`create index partner_grants_by_grantee on partner_grants (grantee)`);
      await db.execute(sql`create index partner_grants_by_parent on partner_grants (parent_id)`);
    },
  },
];
