/** The labels that a task's agent must carry, beside its plan, where the ready order reads them. */
import { sql, type Migration } from '@cogmesh/database';

export const affinityMigration: Migration = {
  name: '0005-affinity',
  up: async (db) => {
    await db.execute(sql`alter table tasks add column affinity text`);
  },
};
