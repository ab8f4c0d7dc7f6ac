import { openPostgres } from '@cogmesh/database';
import { startPostgres, type TestPostgres } from '@cogmesh/testkit';
import { afterAll, beforeAll } from 'vitest';
import { commandsContract } from './commands.contract.js';

let server: TestPostgres;
let schemas = 0;

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

commandsContract('PostgreSQL', () => openPostgres(server.url, { schema: `commands_${(schemas += 1)}` }));
