/**
 * A PostgreSQL server of ours: a folder and a loopback port of its own, one superuser `cogmesh` with a random password. Its
 * default collation is a language's, unlike SQLite's bytes, so that a forgotten `collate "C"` shows in tests.
 */
import { CogmeshError } from '@cogmesh/errors';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, existsSync } from 'node:fs';
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { findPostgres, notInstalled, type PostgresBinaries } from './find.js';
import { endOrphan } from './orphan.js';
import { freePorts } from './ports.js';
import { postgresAccount, reachableFolder, type Account } from './postgres-account.js';
import { ServerProcess } from './server-process.js';

const run = promisify(execFile);
/** A start, recovery after a kill included. */
const defaultStartTimeoutMs = 60_000;
const probeTimeoutMs = 2000;
const stopGraceMs = 30_000;

export interface PostgresServerOptions {
  /**
   * Folder of this server, made when missing; started again on it, it has the same data and password. As root, a folder
   * that the user `postgres` cannot reach is replaced by one in /var/tmp, always the same.
   */
  readonly dir: string;
  /** PATH to look for PostgreSQL in, after Debian's own place. */
  readonly path: string;
  readonly startTimeoutMs?: number;
}

export interface PostgresServer {
  /** Of the superuser and the database `postgres`; the same after a restart. */
  readonly url: string;
  /** Process id of the main process; changes with a restart. */
  readonly pid: number;
  /** `fast` ends sessions in order, `immediate` does not and recovers at the next start. Default fast. */
  stop(mode?: 'fast' | 'immediate'): Promise<void>;
  /** SIGKILL to the main process; resolves when it is gone. */
  kill(): Promise<void>;
  /** Starts it again on the same data and port, after `kill` or `stop`. */
  start(): Promise<void>;
  /** Where the data is. */
  readonly dir: string;
}

/** Starts a server and waits until it answers. Rejects with `unavailable` and the reason when it cannot be had. */
export async function startPostgresServer(options: PostgresServerOptions): Promise<PostgresServer> {
  const binaries = findPostgres(options.path);
  if (binaries === undefined) throw notInstalled('PostgreSQL', 'postgresql', 'COGMESH_TEST_DATABASE_URL');
  const account = postgresAccount();
  const dir = reachableFolder(options.dir, account);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  if (account) chownSync(dir, account.uid, account.gid);
  const password = await keepPassword(dir);
  await endOrphan(join(dir, 'data', 'postmaster.pid'), dir);
  if (!existsSync(join(dir, 'initialised'))) await initialise(binaries, { dir, account, password });
  const [port = 0] = await freePorts(1);
  const server = new OwnPostgres(binaries, { ...options, dir, account, password, port });
  await server.start();
  return server;
}

interface Own extends PostgresServerOptions {
  readonly account: Account | undefined;
  readonly password: string;
  readonly port: number;
}

class OwnPostgres implements PostgresServer {
  readonly #binaries: PostgresBinaries;
  readonly #own: Own;
  #process: ServerProcess | undefined;

  constructor(binaries: PostgresBinaries, own: Own) {
    this.#binaries = binaries;
    this.#own = own;
  }

  get url(): string {
    return `postgres://cogmesh:${this.#own.password}@127.0.0.1:${this.#own.port}/postgres`;
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  get dir(): string {
    return this.#own.dir;
  }

  /** A server that finds remains of a killed one still busy ends at once, and is started again until they are gone. */
  async start(): Promise<void> {
    if (this.#process?.running) return;
    const deadline = Date.now() + (this.#own.startTimeoutMs ?? defaultStartTimeoutMs);
    for (;;) {
      const started = this.#spawn();
      const ready = started.untilReady(() => answers(this.url), Math.max(0, deadline - Date.now()));
      const failure = await ready.then(() => undefined, (thrown: unknown) => thrown); // prettier-ignore
      if (failure === undefined) return;
      await started.end('SIGQUIT', probeTimeoutMs);
      if (Date.now() > deadline) throw failure;
    }
  }

  async stop(mode: 'fast' | 'immediate' = 'fast'): Promise<void> {
    await this.#process?.end(mode === 'fast' ? 'SIGINT' : 'SIGQUIT', stopGraceMs);
  }

  async kill(): Promise<void> {
    await this.#process?.end('SIGKILL', 0);
  }

  #spawn(): ServerProcess {
    const { dir, port, account } = this.#own;
    const settings = [`port=${port}`, 'listen_addresses=127.0.0.1', 'unix_socket_directories=', 'shared_buffers=32MB'];
    const args = ['-D', join(dir, 'data'), ...settings.flatMap((setting) => ['-c', setting])];
    const environment = { LANG: 'C.UTF-8', PATH: this.#own.path };
    this.#process = new ServerProcess({
      name: 'PostgreSQL',
      file: this.#binaries.postgres,
      args,
      environment,
      cwd: dir,
      account,
    });
    return this.#process;
  }
}

/** Made once, then kept (0600), so that the url stays valid over restarts. */
async function keepPassword(dir: string): Promise<string> {
  const file = join(dir, 'password');
  const kept = await readFile(file, 'utf8').catch(() => '');
  if (kept !== '') return kept;
  const password = randomBytes(18).toString('hex');
  await writeFile(file, password, { mode: 0o600 });
  return password;
}

/** A half-made data folder of an interrupted start is made anew; the file `initialised` says that it is whole. */
async function initialise(
  { initdb }: PostgresBinaries,
  { dir, account, password }: { dir: string; account: Account | undefined; password: string },
): Promise<void> {
  const data = join(dir, 'data');
  const passwordFile = join(dir, 'initdb-password');
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (account) chownSync(passwordFile, account.uid, account.gid);
  const common = [
    '-D',
    data,
    '-U',
    'cogmesh',
    '-A',
    'scram-sha-256',
    `--pwfile=${passwordFile}`,
    '-E',
    'UTF8',
    '--locale=C',
  ];
  const attempt = async (extra: readonly string[]): Promise<unknown> => {
    await rm(data, { recursive: true, force: true });
    return run(initdb, [...common, ...extra], { ...account, cwd: dir });
  };
  try {
    // The second is for versions before 15 and builds without ICU.
    await attempt(['--locale-provider=icu', '--icu-locale=en']).catch(() => attempt([]));
  } catch (cause) {
    throw new CogmeshError(
      'unavailable',
      `PostgreSQL could not make its data folder: ${String(cause)}`,
      { dir },
      { cause },
    );
  }
  await rm(passwordFile);
  await writeFile(join(dir, 'initialised'), '');
  await chmod(dir, 0o700);
}

async function answers(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: probeTimeoutMs });
  client.on('error', () => undefined);
  return client.connect().then(
    () => client.end().then(() => true),
    () => false,
  );
}
