/** Which replica decides on the pool of agents, and what each of them saw last. */
import { collateC, sql, type Migration } from '@cogmesh/database';

export const poolMigration: Migration = {
  name: '0006-pool',
  up: async (db) => {
    await db.execute(sql`create table pool_duty (
      id integer primary key,
      replica text ${collateC} not null,
      until bigint not null
    )`);
    await db.execute(sql`create table pool_sightings (
      replica text ${collateC} primary key,
      sighting text not null,
      seen_at bigint not null
    )`);
  },
};
