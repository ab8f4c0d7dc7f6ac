/** Tables of the policy service. `organisations.epoch` points at the current policy set; older ones stay for the record. */
import { collateC, jsonColumn, sql, type Migration } from '@cogmesh/database';

const id = sql`text ${collateC}`;

export const policyMigrations: readonly Migration[] = [
  {
    name: '0001-policies',
    up: async (db) => {
      await db.execute(sql`
        create table organisations (
          name ${id} primary key,
          epoch bigint not null,
          created_at bigint not null
        )`);
      await db.execute(sql`
        create table issuers (
          issuer ${id} primary key,
          organisation ${id} not null references organisations (name),
          record ${jsonColumn} not null,
          created_at bigint not null
        )`);
      await db.execute(sql`
        create table policy_sets (
          organisation ${id} not null references organisations (name),
          epoch bigint not null,
          document ${jsonColumn} not null,
          written_by text not null,
          written_at bigint not null,
          primary key (organisation, epoch)
        )`);
      await db.execute(sql`
        create table grants (
          organisation ${id} not null references organisations (name),
          id ${id} not null,
          grantee ${id} not null,
          expires_at bigint not null,
          jws text not null,
          primary key (organisation, id)
        )`);
      await db.execute(sql`create index grants_by_grantee on grants (grantee)`);
    },
  },
];
