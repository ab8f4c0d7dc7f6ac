/** Random operations on both databases, one after the other: each step must answer the same, the tables end the same. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPostgres, type TestPostgres } from '@cogmesh/testkit';
import { CogmeshError } from '@cogmesh/errors';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  bulk,
  collateC,
  forUpdate,
  json,
  jsonColumn,
  openPostgres,
  openSqlite,
  sql,
  type Database,
  type SqlRunner,
} from './index.js';

let server: TestPostgres;
let folder: string;
let databases: readonly [Database, Database];

beforeAll(async () => {
  server = await startPostgres();
  folder = await mkdtemp(join(tmpdir(), 'cogmesh-equivalence-'));
  databases = [await openSqlite(join(folder, 'a.db')), await openPostgres(server.url, { schema: 'equivalence' })];
});
afterAll(async () => {
  for (const db of databases) await db.close();
  await server.stop();
  await rm(folder, { recursive: true });
});

type Operation = (runner: SqlRunner) => Promise<unknown>;

const id = fc.constantFrom('a', 'B', '_', 'ä', '中', 'a-b', 'Z');
const integer = fc.maxSafeInteger();
const text = fc.oneof(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary' }), fc.constant(null));
const row = fc.record({ id, n: fc.oneof(integer, fc.constant(null)), note: text, data: fc.jsonValue() });
const columns = { id: 'text', n: 'bigint', note: 'text', data: 'json' } as const;

const readAll: Operation = async (runner) => {
  const rows = await runner.query<{ data: string | null }>(sql`select id, n, note, data from items order by id`);
  return rows.map((each) => ({ ...each, data: each.data === null ? null : (JSON.parse(each.data) as unknown) }));
};

const operation: fc.Arbitrary<Operation> = fc.oneof(
  row.map(
    ({ id, n, note, data }): Operation =>
      async (runner) =>
        await runner.execute(sql`insert into items (id, n, note, data) values (${id}, ${n}, ${note}, ${json(data)})`),
  ),
  row.map(
    ({ id, n, note }): Operation =>
      async (runner) =>
        await runner.query(sql`insert into items (id, n, note) values (${id}, ${n}, ${note})
      on conflict (id) do update set n = excluded.n, note = items.note returning id, n, note`),
  ),
  fc.uniqueArray(row, { maxLength: 7, selector: (each) => each.id }).map(
    (rows): Operation =>
      async (runner) =>
        await runner.execute(sql`insert into items (id, n, note, data)
      select id, n, note, data from ${bulk(runner.dialect, rows, columns)} as r where true on conflict (id) do nothing`),
  ),
  fc.uniqueArray(row, { maxLength: 7, selector: (each) => each.id }).map(
    (rows): Operation =>
      async (runner) =>
        await runner.execute(sql`update items set n = r.n, data = r.data
      from ${bulk(runner.dialect, rows, columns)} as r where items.id = r.id`),
  ),
  fc.tuple(id, id).map(
    ([low, high]): Operation =>
      async (runner) =>
        await runner.query(
          sql`select id, n, n is null as empty from items where id >= ${low} and id < ${high} order by id desc`,
        ),
  ),
  integer.map(
    (limit): Operation =>
      async (runner) =>
        await runner.query(sql`select count(*) as c, min(n) as low, max(n) as high from items where n <= ${limit}`),
  ),
  fc.tuple(id, fc.integer()).map(
    ([which, step]): Operation =>
      async (runner) =>
        await runner.execute(sql`update items set n = n / 2 + ${step} where id = ${which} and abs(n) < 1000000000`),
  ),
  id.map(
    (which): Operation =>
      async (runner) =>
        await runner.execute(sql`delete from items where id = ${which}`),
  ),
  id.map(
    (which): Operation =>
      async (runner) =>
        await runner.query(sql`select note from items where id = ${which} ${forUpdate(runner.dialect)}`),
  ),
  fc.constant(readAll),
);

interface Step {
  readonly operations: readonly Operation[];
  readonly abandon: boolean;
}
const step: fc.Arbitrary<Step> = fc.record({
  operations: fc.array(operation, { minLength: 1, maxLength: 4 }),
  abandon: fc.boolean(),
});

const outcome = (work: () => Promise<unknown>): Promise<unknown> =>
  work().catch((thrown: unknown) => (thrown instanceof CogmeshError ? thrown.code : String(thrown)));

async function runStep(db: Database, { operations, abandon }: Step): Promise<unknown> {
  const answers: unknown[] = [];
  const end = await outcome(() =>
    db.transaction(async (tx) => {
      for (const each of operations) answers.push(await each(tx));
      if (abandon) throw new Error('abandoned');
    }),
  );
  return { answers, end };
}

async function story(db: Database, steps: readonly Step[]): Promise<unknown[]> {
  await db.execute(sql`drop table if exists items`);
  await db.execute(sql`create table items (id text ${collateC} primary key, n bigint, note text, data ${jsonColumn})`);
  const told: unknown[] = [];
  for (const each of steps) told.push(await runStep(db, each), await outcome(() => readAll(db)));
  return told;
}

it('answers the same from SQLite and PostgreSQL, whatever is asked', async () => {
  const [sqlite, postgres] = databases;
  const property = fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), async (steps) => {
    expect(await story(sqlite, steps)).toEqual(await story(postgres, steps));
  });
  await fc.assert(property, { numRuns: 120 });
}, 60_000);
