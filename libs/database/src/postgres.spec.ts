import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { startPostgres, type TestPostgres } from '@cogmesh/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { databaseContract } from './database.contract.js';
import { openPostgres, sql } from './index.js';

const code = (expected: string) => expect.objectContaining({ code: expected });

databaseContract('PostgreSQL', async () => {
  const server = await startPostgres();
  return {
    open: () => openPostgres(server.url, { schema: 'contract' }),
    lose: () => server.restart('immediate'),
    cleanUp: () => server.stop(),
  };
});

describe('PostgreSQL: the server', () => {
  let server: TestPostgres;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.stop());

  it('gives each service a schema of its own, made when missing, also by several at once', async () => {
    const open = (schema: string) => openPostgres(server.url, { schema });
    const all = await Promise.all([open('one'), open('one'), open('one'), open('two')]);
    const [one, , , two] = all;
    await one.execute(sql`create table mine (n integer)`);
    expect(await one.query(sql`select current_schema() as schema`)).toEqual([{ schema: 'one' }]);
    await expect(two.query(sql`select * from mine`)).rejects.toEqual(code('internal'));
    await Promise.all(all.map((db) => db.close()));
  });

  it('ends a statement that takes too long, and the connection is good again', async () => {
    const db = await openPostgres(server.url, { schema: 'slow', statementTimeoutMs: 50, poolSize: 1 });
    await expect(db.query(sql`select pg_sleep(20)`)).rejects.toEqual(code('timeout'));
    expect(await db.query(sql`select 1 as one`)).toEqual([{ one: 1 }]);
    await db.close();
  });

  it('runs the loser of a deadlock again', async () => {
    const db = await openPostgres(server.url, { schema: 'deadlock' });
    await db.execute(sql`create table t (id text, n bigint); insert into t values ('a', 0), ('b', 0)`);
    const bothHaveOne = Promise.withResolvers<void>();
    let attempts = 0;
    const transfer = (from: string, to: string) =>
      db.transaction(async (tx) => {
        attempts += 1;
        await tx.execute(sql`update t set n = n - 1 where id = ${from}`);
        if (attempts >= 2) bothHaveOne.resolve();
        await bothHaveOne.promise;
        // What the work makes of the error does not hide it from the retry.
        await tx
          .execute(sql`update t set n = n + 1 where id = ${to}`)
          .catch(() => Promise.reject(new Error('wrapped')));
      });
    await Promise.all([transfer('a', 'b'), transfer('b', 'a')]);
    expect(attempts).toBe(3);
    expect(await db.query(sql`select n from t`)).toEqual([{ n: 0 }, { n: 0 }]);
    await db.close();
  });

  it('does not wait for ever for a connection', async () => {
    const db = await openPostgres(server.url, { schema: 'narrow', poolSize: 1, connectTimeoutMs: 1_000 });
    const holding = Promise.withResolvers<void>();
    const held = db.transaction(() => holding.promise);
    await expect(db.query(sql`select 1 as one`)).rejects.toEqual(code('unavailable'));
    holding.resolve();
    await held;
    expect(await db.query(sql`select 1 as one`)).toEqual([{ one: 1 }]);
    await db.close();
  });

  it('is unavailable while it is down and answers when it is back', async () => {
    const line = await breakableLine(server.url);
    const db = await openPostgres(line.url, { schema: 'down' });
    await db.execute(sql`create table t (n integer)`);
    await line.cut();
    await expect(db.query(sql`select n from t`)).rejects.toEqual(code('unavailable'));
    await expect(db.transaction((tx) => tx.query(sql`select n from t`))).rejects.toEqual(code('unavailable'));
    await expect(db.ping()).rejects.toEqual(code('unavailable'));
    await expect(openPostgres(line.url, { schema: 'down' })).rejects.toEqual(code('unavailable'));
    await line.mend();
    expect(await db.query(sql`select n from t`)).toEqual([]);
    await db.close();
    await line.cut();
  });

  it('gives up a server that says nothing any more, and the next statement has a new connection', async () => {
    const line = await breakableLine(server.url);
    const db = await openPostgres(line.url, {
      schema: 'silent',
      poolSize: 1,
      statementTimeoutMs: 100,
      answerGraceMs: 100,
    });
    line.hold();
    await expect(db.query(sql`select 1 as one`)).rejects.toEqual(code('unavailable'));
    await line.cut();
    await line.mend();
    expect(await db.query(sql`select 1 as one`)).toEqual([{ one: 1 }]);
    await db.close();
    await line.cut();
  });

  it('refuses what cannot work with a reason', async () => {
    const nobody = new URL(server.url);
    nobody.username = 'nobody_of_that_name';
    await expect(openPostgres(nobody.href, { schema: 'x' })).rejects.toEqual(code('invalid_config'));
    const noDatabase = new URL(server.url);
    noDatabase.pathname = '/nowhere';
    await expect(openPostgres(noDatabase.href, { schema: 'x' })).rejects.toEqual(code('invalid_config'));
    await expect(openPostgres(server.url, { schema: 'x"; drop' })).rejects.toEqual(code('invalid_config'));
    await expect(openPostgres('not a url', { schema: 'x' })).rejects.toEqual(code('invalid_config'));
  });
});

/** The way to the server through a local port that the test can cut, mend and make silent. */
async function breakableLine(serverUrl: string) {
  const target = new URL(serverUrl);
  const url = new URL(serverUrl);
  const sockets = new Set<Socket>();
  let server: Server;
  const listen = async (port: number) => {
    server = createServer((near) => {
      const far = connect(Number(target.port || 5432), target.hostname);
      for (const socket of [near, far]) {
        sockets.add(socket);
        socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
      }
      near.pipe(far).pipe(near);
    }).listen(port, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  };
  url.hostname = '127.0.0.1';
  url.port = String(await listen(0));
  return {
    url: url.href,
    hold: () => {
      for (const socket of sockets) socket.unpipe().pause();
    },
    cut: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
    mend: () => listen(Number(url.port)),
  };
}
