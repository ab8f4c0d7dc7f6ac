import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqlite } from '@cogmesh/database';
import { afterAll, beforeAll } from 'vitest';
import { poolDutyContract } from './duty.contract.js';

let dir: string;
let files = 0;
beforeAll(async () => void (dir = await mkdtemp(join(tmpdir(), 'cogmesh-duty-'))));
afterAll(() => rm(dir, { recursive: true, force: true }));

poolDutyContract('SQLite', () => openSqlite(join(dir, `${(files += 1)}.sqlite`)));
