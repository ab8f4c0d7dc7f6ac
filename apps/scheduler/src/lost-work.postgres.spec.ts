import { startPostgres, type TestPostgres } from '@cogmesh/testkit';
import { afterAll, beforeAll } from 'vitest';
import { lostWorkContract } from './lost-work.contract.js';

let server: TestPostgres;
let schemas = 0;

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

lostWorkContract('PostgreSQL', () => ({ postgresUrl: server.url, schema: `lost_${(schemas += 1)}` }));
