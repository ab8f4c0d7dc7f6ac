/** The databases that the service supports, for specs that run on each. */
import { openPostgres, sql } from '@cogmesh/database';
import { startPostgres, type TestPostgres } from '@cogmesh/testkit';
import { afterAll, beforeAll } from 'vitest';

/** A PostgreSQL for the spec file at whose top this is called; answers where it is, with nothing of the service in it. */
export function emptyPostgres(): () => Promise<string> {
  let postgres: TestPostgres;
  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(() => postgres.stop());
  return async () => {
    const database = await openPostgres(postgres.url, { schema: 'public' });
    await database.execute(sql`drop schema if exists policy cascade`);
    await database.close();
    return postgres.url;
  };
}

/** Every database that the service supports, for `describe.each`. */
export const databasesWith = (postgresUrl: () => Promise<string>) => [
  { database: 'SQLite', urlOf: () => Promise.resolve('') },
  { database: 'PostgreSQL', urlOf: postgresUrl },
];
