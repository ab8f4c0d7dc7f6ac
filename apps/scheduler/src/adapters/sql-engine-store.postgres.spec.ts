import { openPostgres } from '@cogmesh/database';
import { startPostgres, type TestPostgres } from '@cogmesh/testkit';
import { afterAll, beforeAll } from 'vitest';
import { sqlEngineStoreContract } from './sql-engine-store.contract.js';

let server: TestPostgres;
let schemas = 0;

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

sqlEngineStoreContract('PostgreSQL', async () => {
  const database = await openPostgres(server.url, { schema: `engine_store_${(schemas += 1)}` });
  return { database, close: () => database.close() };
});
