/**
 * What every adapter of the port must do, run against real ones: SQLite on disk, PostgreSQL as a server. `lose` breaks the
 * connection the way that adapter can lose it (a dead thread, a server that stopped at once and came back).
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { bulk, collateC, failUnless, forUpdate, json, jsonColumn, jsonText, nowMillis, oneOf } from './dialects.js';
import { sql, type Database, type Migration, type SqlRunner } from './index.js';

export interface DatabaseUnderTest {
  /** Another handle on the same data. */
  open(): Promise<Database>;
  lose(db: Database): Promise<void>;
  cleanUp(): Promise<void>;
}

const code = (expected: string) => expect.objectContaining({ code: expected });

export function databaseContract(name: string, prepare: () => Promise<DatabaseUnderTest>): void {
  describe(`${name}: the database port`, () => {
    let subject: DatabaseUnderTest;
    let db: Database;

    beforeAll(async () => {
      subject = await prepare();
      db = await subject.open();
    });
    afterAll(async () => {
      await db.close();
      await subject.cleanUp();
    });
    beforeEach(async () => {
      await db.execute(sql`drop table if exists items`);
      await db.execute(
        sql`create table items (id text ${collateC} primary key, n bigint, note text, data ${jsonColumn})`,
      );
    });

    const count = async (runner: SqlRunner = db) =>
      (await runner.query(sql<{ c: number }>`select count(*) as c from items`))[0]?.c;
    const insert = (id: string, n: number | bigint, runner: SqlRunner = db) =>
      runner.execute(sql`insert into items (id, n) values (${id}, ${n})`);

    describe('values', () => {
      it('keeps 64-bit integers exact up to 2^53 - 1 and refuses to round beyond', async () => {
        await insert('max', Number.MAX_SAFE_INTEGER);
        await insert('min', BigInt(Number.MIN_SAFE_INTEGER));
        const rows = await db.query<{ n: number }>(sql`select n from items order by n`);
        expect(rows).toEqual([{ n: Number.MIN_SAFE_INTEGER }, { n: Number.MAX_SAFE_INTEGER }]);
        await db.execute(sql`update items set n = n + 1 where id = ${'max'}`);
        await expect(db.query(sql`select n from items`)).rejects.toEqual(code('data_loss'));
        await expect(db.query(sql`select sum(n) + 9007199254740993 as s from items`)).rejects.toEqual(
          code('data_loss'),
        );
        await expect(insert('beyond', 2n ** 53n)).rejects.toEqual(code('invalid_argument'));
        await expect(insert('beyond', 2 ** 53)).rejects.toEqual(code('invalid_argument'));
      });

      it('computes with integers as integers', async () => {
        await insert('a', 7);
        const rows = await db.query(sql`select n / ${2} as half, n * ${3} as triple from items where n >= ${7}`);
        expect(rows).toEqual([{ half: 3, triple: 21 }]);
        const sums = await db.query(sql`select sum(n) as s, avg(n) as a, max(n) as m from items`);
        expect(sums).toEqual([{ s: 7, a: 7, m: 7 }]);
      });

      it('gives truth values and bytes the same shape', async () => {
        await insert('a', 1);
        await db.execute(sql`update items set n = ${true} where id = ${'a'}`);
        expect(await db.query(sql`select n, n = 1 as yes, n > 1 as no from items`)).toEqual([{ n: 1, yes: 1, no: 0 }]);
        const type = sql.raw(db.dialect === 'postgres' ? 'bytea' : 'blob');
        await db.execute(sql`drop table if exists byte_items`);
        await db.execute(sql`create table byte_items (b ${type}, f double precision)`);
        await db.execute(
          sql`insert into byte_items (b, f) values (${new Uint8Array([0, 255, 7])}, ${0.1}), (null, ${3})`,
        );
        const rows = await db.query(sql`select b, f from byte_items order by f`);
        expect(rows).toEqual([
          { b: new Uint8Array([0, 255, 7]), f: 0.1 },
          { b: null, f: 3 },
        ]);
      });

      it.each([
        ['NUL', 'a\0b'],
        ['half a surrogate pair', 'a\ud800b'],
        ['undefined', undefined],
        ['an object', { a: 1 }],
        ['not a number', Number.NaN],
      ])('refuses %s as a parameter', async (_what, value) => {
        await expect(db.execute(sql`insert into items (id, note) values ('x', ${value})`)).rejects.toEqual(
          code('invalid_argument'),
        );
        expect(await count()).toBe(0);
      });

      it('keeps any other text', async () => {
        const text = 'é 中文 🙂 "quoted" \'single\' \\ \n\t\u0001 $1 ? :a';
        await db.execute(sql`insert into items (id, note) values (${'x'}, ${text})`);
        expect(await db.query(sql`select note from items where note = ${text}`)).toEqual([{ note: text }]);
      });

      it('brings JSON back as text that parses to the same value', async () => {
        const values = [{ a: [1, 2.5, null, true, 'é🙂'], nested: { deep: {} } }, [], 'text', '5', 5, null, false];
        for (const [index, value] of values.entries()) {
          await db.execute(sql`insert into items (id, data) values (${`j${index}`}, ${json(value)})`);
        }
        await db.execute(sql`insert into items (id, data) values (${'text'}, ${jsonText('{"as":"it is"}')})`);
        await db.execute(sql`insert into items (id, data) values (${'void'}, ${json(undefined)})`);
        const rows = await db.query<{ data: string | null }>(sql`select data from items order by id`);
        const parsed = rows.map(({ data }) => (data === null ? 'NULL' : (JSON.parse(data) as unknown)));
        expect(parsed).toEqual([...values, { as: 'it is' }, 'NULL']);
      });

      it('refuses JSON that jsonb cannot hold', async () => {
        expect(() => json({ a: ['b\0'] })).toThrow(code('invalid_argument'));
        expect(() => json({ 'k\0': 1 })).toThrow(code('invalid_argument'));
        expect(() => json('\udfff')).toThrow(code('invalid_argument'));
        expect(() => jsonText('"\\u0000"')).toThrow(code('invalid_argument'));
        const escaped = { path: 'C:\\u0000', pair: '🙂' };
        await db.execute(sql`insert into items (id, data) values ('x', ${json(escaped)})`);
        const [row] = await db.query<{ data: string }>(sql`select data from items`);
        expect(JSON.parse(row?.data ?? '')).toEqual(escaped);
      });

      it('orders and compares ids by bytes', async () => {
        const ids = ['b', 'B', 'a', 'A', '_', '-', '0', 'ä', 'aa', 'a-b', 'ab', '~', 'Z'];
        for (const id of ids) await insert(id, 0);
        const rows = await db.query<{ id: string }>(sql`select id from items order by id`);
        const byBytes = ids.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
        expect(rows.map((row) => row.id)).toEqual(byBytes);
        expect(await db.query(sql`select id from items where id > ${'Z'} and id < ${'a'}`)).toEqual([{ id: '_' }]);
      });
    });

    describe('statements', () => {
      it('counts the rows it changed, and none for others', async () => {
        expect(await db.execute(sql`insert into items (id, n) values ('a', 1), ('b', 2), ('c', 3)`)).toBe(3);
        expect(await db.execute(sql`update items set n = n + 1 where n >= ${2}`)).toBe(2);
        expect(await db.execute(sql`create table if not exists other_items (id text)`)).toBe(0);
        expect(await db.execute(sql`select * from items`)).toBe(0);
        expect(await db.execute(sql`delete from items where id = ${'nobody'}`)).toBe(0);
      });

      it('knows ON CONFLICT, RETURNING and UPDATE FROM', async () => {
        const upsert = (n: number) =>
          db.query<{ n: number }>(
            sql`insert into items (id, n) values ('a', ${n}) on conflict (id) do update set n = items.n + excluded.n returning n`,
          );
        expect(await upsert(1)).toEqual([{ n: 1 }]);
        expect(await upsert(5)).toEqual([{ n: 6 }]);
        const changes = bulk(db.dialect, [{ id: 'a', n: 10 }], { id: 'text', n: 'bigint' });
        const updated = await db.query(
          sql`update items set n = r.n from ${changes} as r where items.id = r.id returning items.id, items.n`,
        );
        expect(updated).toEqual([{ id: 'a', n: 10 }]);
      });

      it('names what went wrong', async () => {
        await insert('a', 1);
        await expect(insert('a', 2)).rejects.toEqual(code('already_exists'));
        await db.execute(sql`drop table if exists strict_items`);
        await db.execute(sql`create table strict_items (n bigint not null check (n > 0))`);
        await expect(db.execute(sql`insert into strict_items (n) values (null)`)).rejects.toEqual(
          code('failed_precondition'),
        );
        await expect(db.execute(sql`insert into strict_items (n) values (${0})`)).rejects.toEqual(
          code('failed_precondition'),
        );
        await expect(db.query(sql`select nonsense`)).rejects.toEqual(code('internal'));
      });

      it('runs several statements in one text without parameters, and never drops any silently', async () => {
        await db.execute(sql`insert into items (id, n) values ('a', 1); insert into items (id, n) values ('b;', 2);`);
        expect(await count()).toBe(2);
        const withParameter = sql`insert into items (id, n) values (${'c'}, 1); insert into items (id, n) values ('d', 2)`;
        await expect(db.execute(withParameter)).rejects.toEqual(code('internal'));
        expect(await count()).toBe(2);
      });

      it('tells the time of the database in milliseconds', async () => {
        const before = Date.now();
        const now = await db.now();
        expect(now).toBeGreaterThanOrEqual(before - 1_000);
        expect(now).toBeLessThanOrEqual(Date.now() + 1_000);
        const [row] = await db.query<{ later: number }>(sql`select ${nowMillis} + ${5_000} as later`);
        expect(row?.later).toBeGreaterThanOrEqual(now + 5_000);
        await db.ping();
      });
    });

    describe('bulk', () => {
      const columns = { id: 'text', n: 'bigint', small: 'integer', f: 'double', data: 'json' } as const;

      it('takes 1,000 typed rows as one parameter', async () => {
        const rows = Array.from({ length: 1_000 }, (_, index) => ({
          id: `id-${index} "'é🙂`,
          n: index % 3 === 0 ? null : Number.MAX_SAFE_INTEGER - index,
          small: index - 500,
          f: index / 7,
          data: index % 2 === 0 ? { index, text: '"' } : index,
        }));
        const read = await db.query<Record<string, unknown>>(
          sql`select * from ${bulk(db.dialect, rows, columns)} as r order by small`,
        );
        expect(read.map((row) => ({ ...row, data: JSON.parse(row['data'] as string) as unknown }))).toEqual(rows);
        const inserted = sql`insert into items (id, n, data) select id, n, data from ${bulk(db.dialect, rows, columns)} as r`;
        expect(await db.execute(inserted)).toBe(1_000);
        const sum = await db.query(
          sql`select sum(items.n - r.n) as difference from items join ${bulk(db.dialect, rows, columns)} as r on r.id = items.id`,
        );
        expect(sum).toEqual([{ difference: 0 }]);
      });

      it('takes no rows', async () => {
        expect(await db.query(sql`select * from ${bulk(db.dialect, [], columns)} as r`)).toEqual([]);
      });

      it.each([
        ['NUL', { id: 'a\0', n: 1, small: 1, f: 1, data: 1 }],
        ['NUL in JSON', { id: 'a', n: 1, small: 1, f: 1, data: ['\0'] }],
        ['an inexact integer', { id: 'a', n: 2 ** 53, small: 1, f: 1, data: 1 }],
        ['a fraction', { id: 'a', n: 1.5, small: 1, f: 1, data: 1 }],
        ['33 bits', { id: 'a', n: 1, small: 2 ** 32, f: 1, data: 1 }],
        ['infinity', { id: 'a', n: 1, small: 1, f: Infinity, data: 1 }],
      ])('refuses %s', (_what, row) => {
        expect(() => bulk(db.dialect, [row], columns)).toThrow(code('invalid_argument'));
      });

      it('refuses a column name that is not one', () => {
        expect(() => bulk(db.dialect, [], { 'a" text); drop table items; --': 'text' })).toThrow(
          code('invalid_argument'),
        );
      });
    });

    it('compares with any of a list, however long', async () => {
      for (const id of ['a', 'b', "c'", 'd"\\']) await insert(id, id.length);
      const found = (ids: string[]) => db.query(sql`select id from items where id ${oneOf(ids, 'text')} order by id`);
      expect(await found(['b', "c'", 'd"\\', 'nobody'])).toEqual([{ id: 'b' }, { id: "c'" }, { id: 'd"\\' }]);
      expect(await found([])).toEqual([]);
      expect(await found(Array.from({ length: 3_000 }, (_, index) => `${index}`))).toEqual([]);
      expect(await db.query(sql`select id from items where n ${oneOf([1, 7], 'bigint')} order by id`)).toHaveLength(2);
    });

    describe.each([false, true])('a batch (independent: %s)', (independent) => {
      const options = { independent };
      const statements = (...values: [string, number][]) =>
        values.map(([id, n]) => sql`insert into items (id, n) values (${id}, ${n})`);

      it('stores all of it and answers the rows of each', async () => {
        await insert('a', 1);
        const changed = await db.batch(
          [
            ...statements(['b', 2], ['c', 3]),
            sql`select n from items where id = 'a'`,
            sql`update items set n = n + 1 where id = 'a' or id = 'nobody'`,
            sql`delete from items where id = 'nobody'`,
          ],
          options,
        );
        expect([changed[0], changed[1], changed[3], changed[4]]).toEqual([1, 1, 1, 0]);
        expect(await db.query(sql`select n from items order by id`)).toEqual([{ n: 2 }, { n: 2 }, { n: 3 }]);
        expect(await db.batch([], options)).toEqual([]);
      });

      it('stores nothing of it when one fails, and the next is none the worse', async () => {
        await insert('b', 1);
        const failing = db.batch(statements(['a', 1], ['b', 2], ['c', 3]), options);
        await expect(failing).rejects.toEqual(code('already_exists'));
        await expect(db.batch([sql`select nonsense`, ...statements(['a', 1])], options)).rejects.toEqual(
          code('internal'),
        );
        expect(await count()).toBe(1);
        await db.batch(statements(['a', 1]), options);
        expect(await count()).toBe(2);
      });

      it('stores nothing of it when a condition does not hold', async () => {
        await insert('a', 1);
        const when = (n: number) =>
          db.batch(
            [
              sql`select ${failUnless(sql`count(*) filter (where n = ${n}) = 1`)} from items`,
              ...statements([`b${n}`, 1]),
            ],
            options,
          );
        await expect(when(2)).rejects.toEqual(code('failed_precondition'));
        expect(await count()).toBe(1);
        await when(1);
        expect(await count()).toBe(2);
      });

      it('is refused inside a transaction', async () => {
        await expect(db.transaction(() => db.batch(statements(['a', 1]), options))).rejects.toEqual(
          code('failed_precondition'),
        );
        expect(await count()).toBe(0);
      });
    });

    it('lets a statement of a batch see those before it', async () => {
      const changed = await db.batch([
        sql`insert into items (id, n) values ('a', 1)`,
        sql`update items set n = 2 where id = 'a'`,
      ]);
      expect(changed).toEqual([1, 1]);
      expect(await db.query(sql`select n from items`)).toEqual([{ n: 2 }]);
    });

    describe('transactions', () => {
      it('loses no update of two that increment at once', async () => {
        await insert('counter', 0);
        const other = await subject.open();
        const increment = (on: Database) =>
          on.transaction(async (tx) => {
            const [row] = await tx.query<{ n: number }>(
              sql`select n from items where id = 'counter' ${forUpdate(tx.dialect)}`,
            );
            await tx.execute(sql`update items set n = ${(row?.n ?? 0) + 1} where id = 'counter'`);
          });
        await Promise.all(Array.from({ length: 40 }, (_, index) => increment(index % 2 === 0 ? db : other)));
        await other.close();
        expect(await db.query(sql`select n from items`)).toEqual([{ n: 40 }]);
      });

      it('shows others only what is committed, and does not make readers wait', async () => {
        await db.transaction(async (tx) => {
          await insert('a', 1, tx);
          expect(await count(tx)).toBe(1);
          const other = await subject.open();
          expect(await count(other)).toBe(0);
          await other.close();
        });
        expect(await count()).toBe(1);
      });

      it('lets plain reads of the same handle go ahead of an open transaction', async () => {
        const written = Promise.withResolvers<void>();
        const finish = Promise.withResolvers<void>();
        const open = db.transaction(async (tx) => {
          await insert('a', 1, tx);
          written.resolve();
          await finish.promise;
        });
        await written.promise;
        expect(await count()).toBe(0);
        finish.resolve();
        await open;
        expect(await count()).toBe(1);
      });

      it('rolls back when work throws, with that error', async () => {
        const failed = db.transaction(async (tx) => {
          await insert('a', 1, tx);
          throw new Error('changed my mind');
        });
        await expect(failed).rejects.toThrow('changed my mind');
        expect(await count()).toBe(0);
      });

      it('is doomed by a failed statement, caught or not awaited', async () => {
        const caught = db.transaction(async (tx) => {
          await insert('a', 1, tx);
          await insert('a', 2, tx).catch(() => undefined);
        });
        await expect(caught).rejects.toEqual(code('already_exists'));
        const unawaited = db.transaction(async (tx) => {
          await insert('b', 1, tx);
          void insert('b', 2, tx).catch(() => undefined);
        });
        await expect(unawaited).rejects.toEqual(code('already_exists'));
        const goesOn = db.transaction(async (tx) => {
          await tx.query(sql`select nonsense`).catch(() => undefined);
          await insert('c', 1, tx);
        });
        await expect(goesOn).rejects.toEqual(code('internal'));
        expect(await count()).toBe(0);
      });

      it('refuses the database inside a transaction, and its runner outside', async () => {
        let escaped: SqlRunner | undefined;
        for (const misuse of [
          () => db.transaction(async () => 1),
          () => insert('x', 1),
          () => db.query(sql`select 1 as one`),
        ]) {
          await expect(
            db.transaction(async (tx) => {
              escaped = tx;
              await insert('a', 1, tx);
              await misuse();
            }),
          ).rejects.toEqual(code('failed_precondition'));
        }
        await expect(escaped?.query(sql`select 1 as one`)).rejects.toEqual(code('failed_precondition'));
        expect(await count()).toBe(0);
      });

      it('does not count work started inside but running after it', async () => {
        let later: Promise<unknown> | undefined;
        const over = Promise.withResolvers<void>();
        await db.transaction(async () => {
          later = over.promise.then(() => count());
        });
        over.resolve();
        expect(await later).toBe(0);
      });
    });

    describe('migrations', () => {
      const migration = (name: string, statement = sql`insert into migrated (name) values (${name})`): Migration => ({
        name,
        up: async (tx) => {
          await tx.execute(statement);
        },
      });
      const first = migration('0001-table', sql`create table migrated (position integer, name text)`);
      const applied = () => db.query(sql`select name from schema_migrations where name like '000%' order by name`);

      beforeEach(async () => {
        await db.execute(sql`drop table if exists migrated`);
        await db.execute(sql`drop table if exists schema_migrations`);
      });

      it('applies in name order, once, also when several start together', async () => {
        const others = await Promise.all([subject.open(), subject.open()]);
        const list = [migration('0003-c'), migration('0002-b'), first];
        await Promise.all([db, ...others].map((each) => each.migrate(list)));
        await db.migrate([...list, migration('0004-d')]);
        await Promise.all(others.map((each) => each.close()));
        expect(await db.query(sql`select name from migrated order by name`)).toEqual([
          { name: '0002-b' },
          { name: '0003-c' },
          { name: '0004-d' },
        ]);
        expect(await applied()).toHaveLength(4);
      });

      it('leaves nothing of a list that fails', async () => {
        const broken = migration('0002-broken', sql`insert into nowhere values (1)`);
        await expect(db.migrate([first, broken])).rejects.toEqual(code('internal'));
        await expect(db.query(sql`select * from migrated`)).rejects.toEqual(code('internal'));
        await db.migrate([first]);
        expect(await applied()).toEqual([{ name: '0001-table' }]);
      });

      it('refuses two of one name', async () => {
        await expect(db.migrate([first, migration('0001-table')])).rejects.toEqual(code('invalid_argument'));
      });
    });

    describe('loss of the connection', () => {
      it('is unavailable for what was under way, keeps what was committed, and heals by itself', async () => {
        await insert('committed', 1);
        const interrupted = db.transaction(async (tx) => {
          await insert('uncommitted', 1, tx);
          await subject.lose(db);
          await insert('after', 1, tx);
        });
        await expect(interrupted).rejects.toEqual(code('unavailable'));
        await eventually(() => db.ping());
        expect(await db.query(sql`select id from items`)).toEqual([{ id: 'committed' }]);
        await insert('later', 2);
        expect(await count()).toBe(2);
      });

      it('fails everything that waits, and nothing hangs', async () => {
        const pending = Array.from({ length: 30 }, (_, index) =>
          insert(`p${index}`, index).then(
            () => 'ok',
            (thrown: unknown) => thrown,
          ),
        );
        await subject.lose(db);
        const outcomes = await Promise.all(pending);
        const failures = outcomes.filter((outcome) => outcome !== 'ok');
        expect(failures).toEqual(failures.map(() => code('unavailable')));
        await eventually(() => db.ping());
        expect(await count()).toBeGreaterThanOrEqual(outcomes.length - failures.length);
      });

      it('is closed for good after close', async () => {
        const other = await subject.open();
        await other.close();
        await other.close();
        await expect(other.query(sql`select 1 as one`)).rejects.toEqual(code('unavailable'));
        await expect(other.transaction(async () => 1)).rejects.toEqual(code('unavailable'));
      });
    });
  });
}

/** Tries until it works, five seconds at most. */
async function eventually(attempt: () => Promise<void>): Promise<void> {
  const limit = Date.now() + 5_000;
  for (;;) {
    try {
      return await attempt();
    } catch (thrown) {
      if (Date.now() > limit) throw thrown;
    }
  }
}
