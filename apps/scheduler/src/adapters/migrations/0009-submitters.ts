import { sql, type Migration } from '@cogmesh/database';

/** Who submitted a run, as far as a revocation can name them, travels with its tasks' grants. */
export const submittersMigration: Migration = {
  name: '0009-submitters',
  up: async (db) => {
    await db.execute(sql`alter table runs add column submitter text`);
  },
};
