import { startPostgres, type TestPostgres } from '@cogmesh/testkit';
import { afterAll, beforeAll } from 'vitest';
import { timedContract } from './timed.contract.js';

let server: TestPostgres;
let schemas = 0;

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

timedContract('PostgreSQL', () => ({ postgresUrl: server.url, schema: `timed_${(schemas += 1)}` }));
