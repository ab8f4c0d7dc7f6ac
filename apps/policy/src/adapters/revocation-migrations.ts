import { collateC, sql, type Migration } from '@cogmesh/database';

const id = sql`text ${collateC}`;

/** One row for each thing that was ever revoked and has not ended; `revocation_list.epoch` counts every change. */
export const revocationMigrations: readonly Migration[] = [
  {
    name: '0003-revocations',
    up: async (db) => {
      await db.execute(sql`
        create table revocations (
          organisation ${id} not null,
          kind ${id} not null,
          issuer ${id} not null,
          value ${id} not null,
          epoch bigint not null,
          until_ms bigint not null,
          lifted integer not null,
          reason text not null,
          revoked_by text not null,
          revoked_at bigint not null,
          primary key (organisation, kind, issuer, value)
        )`);
      await db.execute(sql`create unique index revocations_by_epoch on revocations (epoch)`);
      await db.execute(sql`create table revocation_list (id integer primary key, epoch bigint not null)`);
      await db.execute(sql`insert into revocation_list (id, epoch) values (1, 0)`);
    },
  },
];
