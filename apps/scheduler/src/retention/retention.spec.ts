import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqlite } from '@cogmesh/database';
import { retentionContract } from './retention.contract.js';

retentionContract('SQLite', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'cogmesh-retention-'));
  const database = await openSqlite(join(dir, 'scheduler.sqlite'));
  return {
    database,
    close: async () => {
      await database.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
});
