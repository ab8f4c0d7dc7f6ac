import { openPostgres, openSqlite } from '@cogmesh/database';
import { startPostgres, type TestPostgres } from '@cogmesh/testkit';
import { afterAll, beforeAll } from 'vitest';
import { blobKeepingContract } from './blob-keeping.contract.js';

let server: TestPostgres;
let schemas = 0;

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

blobKeepingContract('SQLite', () => openSqlite(':memory:'));
blobKeepingContract('PostgreSQL', () => openPostgres(server.url, { schema: `gateway_${(schemas += 1)}` }));
