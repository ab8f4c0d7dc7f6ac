import { openPostgres } from '@cogmesh/database';
import { startPostgres, type TestPostgres } from '@cogmesh/testkit';
import { afterAll, beforeAll } from 'vitest';
import { poolDutyContract } from './duty.contract.js';

let server: TestPostgres;
let schemas = 0;
beforeAll(async () => void (server = await startPostgres()));
afterAll(() => server.stop());

poolDutyContract('PostgreSQL', () => openPostgres(server.url, { schema: `duty_${(schemas += 1)}` }));
