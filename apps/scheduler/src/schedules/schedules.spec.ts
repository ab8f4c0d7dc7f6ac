import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqlite, type Database } from '@cogmesh/database';
import { schedulesContract } from './schedules.contract.js';

schedulesContract('SQLite', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'cogmesh-schedules-'));
  const opened: Database[] = [];
  return {
    open: async () => {
      const database = await openSqlite(join(dir, 'scheduler.sqlite'));
      opened.push(database);
      return database;
    },
    close: async () => {
      for (const database of opened) await database.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
});
