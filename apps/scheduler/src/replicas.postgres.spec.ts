import { startPostgres, type TestPostgres } from '@cogmesh/testkit';
import { afterAll, beforeAll } from 'vitest';
import { replicasContract } from './replicas.contract.js';

let server: TestPostgres;
let schemas = 0;

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

replicasContract('PostgreSQL', () => ({ postgresUrl: server.url, schema: `replicas_${(schemas += 1)}` }));
