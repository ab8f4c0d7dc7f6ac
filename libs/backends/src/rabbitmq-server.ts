/**
 * A RabbitMQ server of ours: one node on a folder and loopback ports of its own, users and permissions loaded at boot.
 * It shares nothing with a RabbitMQ that the system may run: own Erlang port mapper, cookie, data, log, configuration.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { answersAmqp } from './amqp-probe.js';
import { administrator } from './broker-definitions.js';
import { serviceUsers, type BrokerUser } from './broker-users.js';
import { findRabbit, notInstalled, type RabbitBinaries } from './find.js';
import { endOrphan } from './orphan.js';
import { freePorts } from './ports.js';
import {
  keepPasswords,
  rabbitEnvironment,
  writeRabbitFiles,
  type Passwords,
  type RabbitPorts,
} from './rabbitmq-files.js';
import { ServerProcess } from './server-process.js';

/** Boot takes 6 to 20 s on two cores; a busy machine gets time. */
const defaultStartTimeoutMs = 120_000;
const stopGraceMs = 30_000;

export interface RabbitServerOptions {
  /** Folder of this server, made when missing. A server started again on it has the same data, users and passwords. */
  readonly dir: string;
  /** Default: the users of a Cogmesh cluster (`serviceUsers`). */
  readonly users?: readonly BrokerUser[];
  /** PATH to look for RabbitMQ and Erlang in. */
  readonly path: string;
  readonly startTimeoutMs?: number;
}

export interface RabbitServer {
  /** Process id of the broker; changes with a restart. */
  readonly pid: number;
  /** `amqp://user:password@127.0.0.1:port`; the same after a restart. */
  urlFor(user: string): string;
  /** The management API with the administrator's credentials. */
  readonly adminUrl: string;
  /** Ends it in order. */
  stop(): Promise<void>;
  /** SIGKILL; resolves when the process is gone. The data stays. */
  kill(): Promise<void>;
  /** Starts it again on the same data and ports, after `kill` or `stop`. */
  start(): Promise<void>;
}

/** Starts a broker and waits until it answers. Rejects with `unavailable` and the reason when it cannot be had. */
export async function startRabbitServer(options: RabbitServerOptions): Promise<RabbitServer> {
  const binaries = findRabbit(options.path);
  if (binaries === undefined) throw notInstalled('RabbitMQ', 'rabbitmq-server', 'COGMESH_TEST_AMQP_URL');
  const users = options.users ?? serviceUsers;
  await mkdir(options.dir, { recursive: true });
  for (const program of ['rabbitmq', 'epmd']) await endOrphan(join(options.dir, `${program}.pid`), options.dir);
  const passwords = await keepPasswords(options.dir, users);
  const [amqp = 0, dist = 0, epmd = 0, management = 0] = await freePorts(4);
  const ports = { amqp, dist, epmd, management };
  await writeRabbitFiles(options.dir, { users, passwords, ports });
  const server = new OwnRabbit(binaries, { ...options, passwords, ports });
  await server.start();
  return server;
}

class OwnRabbit implements RabbitServer {
  readonly #binaries: RabbitBinaries;
  readonly #options: RabbitServerOptions & { passwords: Passwords; ports: RabbitPorts };
  #epmd: ServerProcess | undefined;
  #broker: ServerProcess | undefined;

  constructor(binaries: RabbitBinaries, options: RabbitServerOptions & { passwords: Passwords; ports: RabbitPorts }) {
    this.#binaries = binaries;
    this.#options = options;
  }

  get pid(): number {
    return this.#broker?.pid ?? 0;
  }

  get adminUrl(): string {
    return `http://${this.#credentials(administrator.name)}@127.0.0.1:${this.#options.ports.management}`;
  }

  urlFor(user: string): string {
    return `amqp://${this.#credentials(user)}@127.0.0.1:${this.#options.ports.amqp}`;
  }

  async start(): Promise<void> {
    if (this.#broker?.running) return;
    const { dir, ports, path, startTimeoutMs = defaultStartTimeoutMs } = this.#options;
    const environment = rabbitEnvironment(dir, ports, path);
    // Started by us rather than by Erlang, whose own would be a daemon that outlives the node.
    if (!this.#epmd?.running) {
      this.#epmd = new ServerProcess({ name: 'epmd', file: this.#binaries.epmd, environment, cwd: dir });
      await writeFile(join(dir, 'epmd.pid'), String(this.#epmd.pid));
    }
    this.#broker = new ServerProcess({ name: 'RabbitMQ', file: this.#binaries.server, environment, cwd: dir });
    try {
      await this.#broker.untilReady(() => answersAmqp(ports.amqp), startTimeoutMs);
    } catch (thrown) {
      await this.kill();
      await this.#endEpmd();
      throw thrown;
    }
  }

  async stop(): Promise<void> {
    await this.#broker?.end('SIGTERM', stopGraceMs);
    await this.#endEpmd();
  }

  async kill(): Promise<void> {
    await this.#broker?.end('SIGKILL', 0);
  }

  async #endEpmd(): Promise<void> {
    await this.#epmd?.end('SIGTERM', 2000);
    this.#epmd = undefined;
  }

  #credentials(user: string): string {
    const password = this.#options.passwords[user];
    if (password === undefined) throw new RangeError(`this broker has no user ${user}`);
    return `${user}:${password}`;
  }
}
