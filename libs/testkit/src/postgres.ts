/**
 * A real PostgreSQL for a test: a server of its own, or a fresh database on the server of COGMESH_TEST_DATABASE_URL.
 * Where neither can be had it throws a sentence that says what to do; tests never skip for that.
 */
import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPostgresServer } from '@cogmesh/backends';
import { processEnvironment } from '@cogmesh/config';
import { CogmeshError } from '@cogmesh/errors';
import { Client } from 'pg';

export interface TestPostgres {
  /** Of an empty database nobody else uses. */
  readonly url: string;
  /** Of the server's main process; undefined when it is not ours or not running. */
  readonly pid: number | undefined;
  /**
   * Ends every connection and resolves when the server answers again; also brings back a killed server. On a server that
   * is not ours only the connections to this database are ended.
   */
  restart(mode: 'fast' | 'immediate'): Promise<void>;
  /** SIGKILL to the main process; `restart` brings it back. Rejects with `failed_precondition` when the server is not ours. */
  kill(): Promise<void>;
  /** Ends the server and removes its folder, or drops the database. */
  stop(): Promise<void>;
}

export async function startPostgres(): Promise<TestPostgres> {
  const environment = processEnvironment();
  const given = environment['COGMESH_TEST_DATABASE_URL'];
  return given ? await freshDatabase(given) : await ownServer(environment['PATH'] ?? '');
}

async function ownServer(path: string): Promise<TestPostgres> {
  const parent = await mkdtemp(join(tmpdir(), 'cogmesh-postgres-'));
  // As root, PostgreSQL runs as another user, who must pass.
  await chmod(parent, 0o711);
  const remove = () => rm(parent, { recursive: true, force: true });
  const server = await startPostgresServer({ dir: join(parent, 'server'), path }).catch(async (thrown: unknown) => {
    await remove();
    throw thrown;
  });
  return {
    url: server.url,
    get pid() {
      return server.pid;
    },
    restart: async (mode) => {
      await server.stop(mode);
      await server.start();
    },
    kill: () => server.kill(),
    stop: async () => {
      await server.stop('immediate');
      await remove();
    },
  };
}

async function freshDatabase(serverUrl: string): Promise<TestPostgres> {
  const name = `cogmesh_test_${randomBytes(8).toString('hex')}`;
  await administer(serverUrl, `create database ${name}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  const disconnect = `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`;
  return {
    url: url.href,
    pid: undefined,
    restart: () => administer(serverUrl, disconnect),
    kill: async () => {
      throw new CogmeshError(
        'failed_precondition',
        'the server of COGMESH_TEST_DATABASE_URL is not ours to kill; unset it for this test',
      );
    },
    stop: () => administer(serverUrl, `drop database ${name} with (force)`),
  };
}

async function administer(url: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: url });
  try {
    await client.connect();
    await client.query(statement);
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw new CogmeshError(
      'unavailable',
      `COGMESH_TEST_DATABASE_URL cannot be used ("${statement}"): ${reason}`,
      {},
      { cause: thrown },
    );
  } finally {
    await client.end();
  }
}
