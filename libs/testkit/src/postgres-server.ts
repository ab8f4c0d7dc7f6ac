/**
 * A PostgreSQL server of one test: own scratch folder, own loopback port, a random password. Its default collation is a
 * language's, unlike SQLite's bytes, so that a forgotten `collate "C"` shows. Killed with this process at the latest.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chownSync, closeSync, openSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { CogmeshError } from '@cogmesh/errors';
import { Client } from 'pg';
import { serverUser, type PostgresBinaries } from './postgres-binaries.js';

const run = promisify(execFile);
/** Longest start, recovery after a kill included, and pause between two looks, milliseconds. */
const startLimitMs = 30_000;
const lookEveryMs = 25;

export class PostgresServer {
  #process: ChildProcess | undefined;
  readonly #killWithUs = () => this.#process?.kill('SIGQUIT');

  private constructor(
    readonly folder: string,
    readonly url: string,
    readonly command: { readonly file: string; readonly parameters: readonly string[] },
  ) {
    process.once('exit', this.#killWithUs);
  }

  /** Makes the folder and starts the server in it. */
  static async create(binaries: PostgresBinaries): Promise<PostgresServer> {
    const folder = await mkdtemp(join(tmpdir(), 'cogmesh-postgres-'));
    const user = serverUser();
    if (user) chownSync(folder, user.uid, user.gid);
    const password = randomBytes(16).toString('hex');
    const data = join(folder, 'data');
    await initialise(binaries.initdb, folder, password);
    const port = await freePort();
    const settings = [`port=${port}`, 'listen_addresses=127.0.0.1', 'unix_socket_directories=', 'shared_buffers=32MB'];
    const parameters = ['-D', data, ...settings.flatMap((setting) => ['-c', setting])];
    const url = `postgres://cogmesh:${password}@127.0.0.1:${port}/postgres`;
    const server = new PostgresServer(folder, url, { file: binaries.postgres, parameters });
    await server.start();
    return server;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Until it answers. A server that finds remains of a killed one still busy exits and is started again. */
  async start(): Promise<void> {
    const limit = Date.now() + startLimitMs;
    while (Date.now() < limit) {
      const log = openSync(join(this.folder, 'log'), 'a');
      const child = spawn(this.command.file, this.command.parameters, {
        ...serverUser(),
        cwd: this.folder,
        stdio: ['ignore', log, log],
      });
      closeSync(log);
      this.#process = child;
      if (await answers(this.url, child, limit)) return;
    }
    const log = await readFile(join(this.folder, 'log'), 'utf8');
    throw new CogmeshError('unavailable', `PostgreSQL did not start within ${startLimitMs} ms:\n${log.slice(-2_000)}`);
  }

  /** SIGINT: fast, connections are closed properly. SIGQUIT: immediate. SIGKILL: as a crash of the machine's memory. */
  async end(signal: 'SIGINT' | 'SIGQUIT' | 'SIGKILL'): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }

  async remove(): Promise<void> {
    await this.end('SIGQUIT');
    process.off('exit', this.#killWithUs);
    await rm(this.folder, { recursive: true, force: true });
  }
}

async function initialise(initdb: string, folder: string, password: string): Promise<void> {
  const passwordFile = join(folder, 'password');
  await writeFile(passwordFile, password);
  const common = ['-D', join(folder, 'data'), '-U', 'cogmesh', '-A', 'scram-sha-256', `--pwfile=${passwordFile}`];
  const inFolder = { ...serverUser(), cwd: folder };
  const locale = ['-E', 'UTF8', '--locale=C', '--no-sync'];
  try {
    await run(initdb, [...common, ...locale, '--locale-provider=icu', '--icu-locale=en'], inFolder);
  } catch {
    // Before version 15, or built without ICU.
    await rm(join(folder, 'data'), { recursive: true, force: true });
    await run(initdb, [...common, ...locale], inFolder);
  }
  await rm(passwordFile);
}

async function answers(url: string, child: ChildProcess, limit: number): Promise<boolean> {
  while (Date.now() < limit && child.exitCode === null && child.signalCode === null) {
    const client = new Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
    client.on('error', () => undefined);
    const answered = await client.connect().then(
      () => client.end().then(() => true),
      () => false,
    );
    if (answered) return true;
    await delay(lookEveryMs);
  }
  return false;
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}
