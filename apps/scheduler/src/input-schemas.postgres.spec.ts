import { startPostgres, type TestPostgres } from '@cogmesh/testkit';
import { afterAll, beforeAll } from 'vitest';
import { inputSchemasContract } from './input-schemas.contract.js';

let server: TestPostgres;
let schemas = 0;

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

inputSchemasContract('PostgreSQL', () => ({ postgresUrl: server.url, schema: `inputs_${(schemas += 1)}` }));
