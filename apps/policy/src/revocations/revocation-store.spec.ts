import { openPostgres, openSqlite } from '@cogmesh/database';
import { startPostgres, type TestPostgres } from '@cogmesh/testkit';
import { afterAll, beforeAll } from 'vitest';
import { revocationStoreContract } from './revocation-store.contract.js';

let server: TestPostgres;
let schemas = 0;

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

revocationStoreContract('SQLite', () => openSqlite(':memory:'));
revocationStoreContract('PostgreSQL', () => openPostgres(server.url, { schema: `revocations_${(schemas += 1)}` }));
