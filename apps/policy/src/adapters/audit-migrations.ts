/** Tables of the decision log. The content of a block is bytes (src/audit/block.ts); its columns are there to find it. */
import { byDialect, collateC, sql, type Migration } from '@cogmesh/database';

const id = sql`text ${collateC}`;
const bytes = byDialect({ postgres: sql`bytea`, sqlite: sql`blob` });

export const auditMigrations: readonly Migration[] = [
  {
    name: '0010-audit',
    up: async (db) => {
      await db.execute(sql`
        create table audit_spools (
          spool_id ${id} primary key,
          accepted bigint not null,
          used_at bigint not null
        )`);
      await db.execute(sql`create index audit_spools_by_use on audit_spools (used_at)`);
      await db.execute(sql`
        create table audit_chains (
          organisation ${id} primary key,
          position bigint not null,
          hash ${bytes} not null,
          first_position bigint not null,
          anchor ${bytes} not null
        )`);
      await db.execute(sql`
        create table audit_blocks (
          organisation ${id} not null,
          first_position bigint not null,
          last_position bigint not null,
          from_at bigint not null,
          to_at bigint not null,
          previous ${bytes} not null,
          hash ${bytes} not null,
          content ${bytes} not null,
          written_at bigint not null,
          primary key (organisation, first_position)
        )`);
      await db.execute(sql`create index audit_blocks_by_end on audit_blocks (organisation, last_position)`);
    },
  },
];
