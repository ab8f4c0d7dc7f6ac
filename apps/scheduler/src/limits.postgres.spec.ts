import { startPostgres, type TestPostgres } from '@cogmesh/testkit';
import { afterAll, beforeAll } from 'vitest';
import { limitsContract } from './limits.contract.js';

let server: TestPostgres;
let schemas = 0;

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

limitsContract('PostgreSQL', () => ({ postgresUrl: server.url, schema: `limits_${(schemas += 1)}` }));
