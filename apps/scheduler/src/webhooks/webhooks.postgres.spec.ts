import { openPostgres, type Database } from '@cogmesh/database';
import { startPostgres, type TestPostgres } from '@cogmesh/testkit';
import { afterAll, beforeAll } from 'vitest';
import { webhooksContract } from './webhooks.contract.js';

let server: TestPostgres;
let schemas = 0;

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

webhooksContract('PostgreSQL', () => {
  const schema = `webhooks_${(schemas += 1)}`;
  const opened: Database[] = [];
  return Promise.resolve({
    open: async () => {
      const database = await openPostgres(server.url, { schema });
      opened.push(database);
      return database;
    },
    close: async () => {
      for (const database of opened) await database.close();
    },
  });
});
