import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { processEnvironment } from '@cogmesh/config';
import { Client } from 'pg';
import { expect, test } from 'vitest';
import { endOrphan } from './orphan.js';
import { postgresAccount, reachableFolder } from './postgres-account.js';
import { startPostgresServer } from './postgres-server.js';
import { writeFile } from 'node:fs/promises';

const path = processEnvironment()['PATH'] ?? '';

async function query(url: string, statement: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  const { rows } = await client.query(statement);
  await client.end();
  return rows;
}

test('data and url survive kill -9, an immediate stop, and a new start on the same folder', async () => {
  const parent = await mkdtemp(join(tmpdir(), 'cogmesh-pg-'));
  await chmod(parent, 0o755);
  const dir = join(parent, 'server');
  const server = await startPostgresServer({ dir, path });
  const { url, pid } = server;
  await query(url, 'create table kept (n int); insert into kept values (1)');
  await server.kill();
  await server.start();
  expect(server.pid).not.toBe(pid);
  expect(await query(url, 'select n from kept')).toEqual([{ n: 1 }]);
  await server.stop('immediate');
  await server.start();
  expect(await query(url, 'select n from kept')).toEqual([{ n: 1 }]);
  await server.stop();
  const successor = await startPostgresServer({ dir, path });
  expect(await query(successor.url, 'select n from kept')).toEqual([{ n: 1 }]);
  expect(new URL(successor.url).password).toBe(new URL(url).password);
  await successor.stop();
  await rm(parent, { recursive: true, force: true });
}, 120_000);

test('a folder that the account cannot reach is replaced by a constant one', async () => {
  const closed = await mkdtemp(join(tmpdir(), 'cogmesh-closed-'));
  const inside = join(closed, 'a', 'b');
  await mkdir(inside, { recursive: true });
  expect(reachableFolder(inside, undefined)).toBe(inside);
  const stranger = { uid: 4_000_000, gid: 4_000_000 };
  expect(reachableFolder(inside, stranger)).toMatch(/^\/var\/tmp\/cogmesh-postgres-[0-9a-f]{16}$/);
  expect(reachableFolder(inside, stranger)).toBe(reachableFolder(inside, stranger));
  expect(reachableFolder('/var/tmp/x', stranger)).toBe('/var/tmp/x');
  expect(postgresAccount()?.uid).not.toBe(0);
  await rm(closed, { recursive: true });
});

test('an orphan is ended when it names the folder, and spared when it does not', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'cogmesh-orphan-'));
  const pidFile = join(dir, 'server.pid');
  const sleeper = (env: Record<string, string>) =>
    spawn(process.execPath, ['-e', 'setInterval(() => 0, 1000)'], { env });
  const stranger = sleeper({});
  const orphan = sleeper({ DATA: dir });
  const ended = once(orphan, 'exit');
  await Promise.all([once(stranger, 'spawn'), once(orphan, 'spawn')]);
  await writeFile(pidFile, `${stranger.pid}\n`);
  await endOrphan(pidFile, dir);
  expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
  await writeFile(pidFile, `${orphan.pid}\nmore`);
  await endOrphan(pidFile, dir);
  expect(await ended).toEqual([null, 'SIGTERM']);
  stranger.kill('SIGKILL');
  await rm(dir, { recursive: true });
});
