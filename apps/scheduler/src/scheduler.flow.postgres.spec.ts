import { startPostgres, type TestPostgres } from '@cogmesh/testkit';
import { afterAll, beforeAll } from 'vitest';
import { flowContract } from './scheduler.flow.contract.js';

let server: TestPostgres;
let schemas = 0;

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

flowContract('PostgreSQL', () => ({ postgresUrl: server.url, schema: `flow_${(schemas += 1)}` }));
