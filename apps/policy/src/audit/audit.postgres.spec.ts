import { openPostgres } from '@cogmesh/database';
import { startPostgres, type TestPostgres } from '@cogmesh/testkit';
import { afterAll, beforeAll } from 'vitest';
import { auditContract } from './audit.contract.js';

let server: TestPostgres;

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

auditContract('PostgreSQL', () => openPostgres(server.url, { schema: 'audit' }));
