import { openPostgres } from '@cogmesh/database';
import { startPostgres, type TestPostgres } from '@cogmesh/testkit';
import { afterAll, beforeAll } from 'vitest';
import { keeperContract } from './shard-keeper.contract.js';

let server: TestPostgres;
let schemas = 0;

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

keeperContract('PostgreSQL', () => openPostgres(server.url, { schema: `keepers_${(schemas += 1)}` }));
