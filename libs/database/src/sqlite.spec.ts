import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { databaseContract } from './database.contract.js';
import { openSqlite, sql, type Database } from './index.js';
import { RelationalDatabase } from './relational-database.js';
import { SqliteEngine } from './sqlite-engine.js';

const temporaryFolder = () => mkdtemp(join(tmpdir(), 'cogmesh-sqlite-'));

databaseContract('SQLite', async () => {
  const folder = await temporaryFolder();
  const engines = new Map<Database, SqliteEngine>();
  return {
    open: async () => {
      const engine = new SqliteEngine({ path: join(folder, 'made', 'test.db'), busyTimeoutMs: 5_000 });
      await engine.thread();
      const db = new RelationalDatabase(engine);
      engines.set(db, engine);
      return db;
    },
    lose: async (db) => {
      const thread = await engines.get(db)?.thread();
      if (!thread) throw new Error('not a database of this test');
      await thread.kill();
    },
    cleanUp: () => rm(folder, { recursive: true }),
  };
});

describe('SQLite: the file', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await temporaryFolder();
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('is durable and checks foreign keys', async () => {
    const db = await openSqlite(join(folder, 'a.db'));
    const pragmas = sql`select j.journal_mode, s.synchronous, f.foreign_keys
      from pragma_journal_mode as j, pragma_synchronous as s, pragma_foreign_keys as f`;
    const full = 2;
    const expected = [{ journal_mode: 'wal', synchronous: full, foreign_keys: 1 }];
    expect(await db.transaction((tx) => tx.query(pragmas))).toEqual(expected);
    await db.close();
  });

  it('keeps its rows over close and open', async () => {
    const path = join(folder, 'b.db');
    const first = await openSqlite(path);
    await first.execute(sql`create table kept (id text)`);
    await first.execute(sql`insert into kept values (${'x'})`);
    await first.close();
    const second = await openSqlite(path);
    expect(await second.query(sql`select id from kept`)).toEqual([{ id: 'x' }]);
    await second.close();
  });

  it('cannot be opened where it cannot be, or when it is something else', async () => {
    const path = join(folder, 'text.db');
    await writeFile(path, 'not a database at all, but long enough to be taken for one'.repeat(40));
    await expect(openSqlite(path)).rejects.toEqual(expect.objectContaining({ code: 'data_loss' }));
    await expect(openSqlite(join(path, 'below-a-file.db'))).rejects.toEqual(
      expect.objectContaining({ code: 'unavailable' }),
    );
    await expect(openSqlite(folder)).rejects.toEqual(expect.objectContaining({ code: 'unavailable' }));
  });

  it('is unavailable, not stuck, while another connection holds it', async () => {
    const path = join(folder, 'busy.db');
    const [holder, other] = await Promise.all([openSqlite(path), openSqlite(path, { busyTimeoutMs: 20 })]);
    await holder.execute(sql`create table t (n integer)`);
    await holder.transaction(async (tx) => {
      await tx.execute(sql`insert into t values (1)`);
      await expect(other.execute(sql`insert into t values (2)`)).rejects.toEqual(
        expect.objectContaining({ code: 'unavailable' }),
      );
    });
    expect(await other.execute(sql`insert into t values (3)`)).toBe(1);
    await Promise.all([holder.close(), other.close()]);
  });

  it('works in memory', async () => {
    const db = await openSqlite(':memory:');
    await db.execute(sql`create table t (n integer)`);
    const reads = db.transaction(async (tx) => {
      await tx.execute(sql`insert into t values (${1})`);
    });
    expect(await db.query(sql`select n from t`)).toEqual([{ n: 1 }]);
    await reads;
    await db.close();
  });
});
