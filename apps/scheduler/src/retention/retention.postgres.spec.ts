import { openPostgres, sql, type Database } from '@cogmesh/database';
import { startPostgres, type TestPostgres } from '@cogmesh/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDaysAhead, dayMs, dayOf, daysAhead, dropDay, knownDays } from '../adapters/history-days.js';
import { schedulerMigrations } from '../adapters/migrations.js';
import { retentionContract } from './retention.contract.js';

let server: TestPostgres;
let schemas = 0;

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

const open = async () => {
  const database = await openPostgres(server.url, { schema: `retention_${(schemas += 1)}` });
  return { database, close: () => database.close() };
};

retentionContract('PostgreSQL', open);

describe('days of history', () => {
  let database: Database;
  let close: () => Promise<void>;
  const today = 15_000;

  beforeAll(async () => {
    ({ database, close } = await open());
    await database.migrate(schedulerMigrations);
  });
  afterAll(() => close());

  const write = (runId: string, time: number) =>
    database.execute(
      sql`insert into run_events (run_id, sequence, time, type) values (${runId}, 1, ${time}, 'run.state')`,
    );
  const placeOf = async (runId: string): Promise<string | undefined> => {
    const [row] = await database.query(sql<{ place: string }>`select cast(e.tableoid as regclass)::text as place
      from run_events e where e.run_id = ${runId}`);
    return row?.place.split('.').at(-1);
  };

  it('are made ahead at the migration and again and again', async () => {
    const now = dayOf(await database.now());
    expect(await knownDays(database)).toEqual(Array.from({ length: daysAhead + 1 }, (_, at) => now + at));
    expect(await createDaysAhead(database, today * dayMs)).toBe(true);
    expect(await createDaysAhead(database, (today + 1) * dayMs)).toBe(true);
    expect((await knownDays(database)).slice(0, daysAhead + 2)).toEqual(
      Array.from({ length: daysAhead + 2 }, (_, at) => today + at),
    );
  });

  it('take what came before they were made', async () => {
    await write('early', (today + 20) * dayMs + 5);
    expect(await placeOf('early')).toBe('run_events_default');
    await createDaysAhead(database, (today + 20) * dayMs);
    expect(await placeOf('early')).toMatch(/^run_events_\d{8}$/);
  });

  it('wait for nobody for long', async () => {
    await createDaysAhead(database, (today + 40) * dayMs);
    const held = Promise.withResolvers<void>();
    const isHeld = Promise.withResolvers<void>();
    const reading = database.transaction(async (tx) => {
      await tx.query(sql`select 1 from run_events limit 1`);
      isHeld.resolve();
      await held.promise;
    });
    await isHeld.promise;
    const began = performance.now();
    expect(await dropDay(database, today + 40)).toBe(false);
    expect(performance.now() - began).toBeLessThan(2_000);
    held.resolve();
    await reading;
    expect(await dropDay(database, today + 40)).toBe(true);
    expect(await knownDays(database)).not.toContain(today + 40);
  });
});
