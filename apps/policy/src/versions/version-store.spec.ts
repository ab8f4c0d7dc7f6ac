import { openPostgres, openSqlite } from '@cogmesh/database';
import { startPostgres, type TestPostgres } from '@cogmesh/testkit';
import { afterAll, beforeAll } from 'vitest';
import { versionStoreContract } from './version-store.contract.js';

let server: TestPostgres;
let schemas = 0;

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

versionStoreContract('SQLite', () => openSqlite(':memory:'));
versionStoreContract('PostgreSQL', () => openPostgres(server.url, { schema: `versions_${(schemas += 1)}` }));
