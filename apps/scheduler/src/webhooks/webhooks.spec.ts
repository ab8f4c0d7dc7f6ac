import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqlite, type Database } from '@cogmesh/database';
import { webhooksContract } from './webhooks.contract.js';

webhooksContract('SQLite', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'cogmesh-webhooks-'));
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
