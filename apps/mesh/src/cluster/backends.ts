/**
 * The broker and the database of a cluster on one machine: servers of our own in the data directory, or the ones that
 * COGMESH_AMQP_URL and COGMESH_DATABASE_URL name. Ours are started again when they die.
 */
import { join } from 'node:path';
import { type PostgresServer, type RabbitServer, startPostgresServer, startRabbitServer } from '@cogmesh/backends';
import type { Environment } from '@cogmesh/config';
import { createDatabaseRoles, roleUrl } from './database-roles.js';
import { guarded } from './topology.js';

export interface Backend {
  readonly amqpUrlOf: (service: string) => string;
  readonly databaseUrlOf: (service: string) => string;
  /** Process ids of the servers we started, by name. */
  pids(): Readonly<Record<string, number>>;
  stop(): Promise<void>;
}

export interface BackendOptions {
  readonly dataDir: string;
  readonly environment: Environment;
  readonly progress: (text: string) => void;
}

const services = ['gateway', ...guarded];
const WATCH_MS = 500;

export async function startBackends(options: BackendOptions): Promise<Backend> {
  const { environment, progress } = options;
  const externalAmqp = environment['COGMESH_AMQP_URL'] ?? '';
  const externalDatabase = environment['COGMESH_DATABASE_URL'] ?? '';
  const path = environment['PATH'] ?? '';
  progress('starting PostgreSQL and RabbitMQ …');
  const [postgres, rabbit] = await Promise.all([
    externalDatabase === '' ? startPostgresServer({ dir: join(options.dataDir, 'postgres'), path }) : undefined,
    externalAmqp === '' ? startRabbitServer({ dir: join(options.dataDir, 'rabbitmq'), path }) : undefined,
  ]);
  const roles = postgres
    ? await createDatabaseRoles(postgres.url, join(options.dataDir, 'database-roles.json'), services)
    : {};
  const watchdogs = [rabbit, postgres]
    .filter((server) => server !== undefined)
    .map((server) => watch(server, progress));
  return {
    amqpUrlOf: (service) => rabbit?.urlFor(service) ?? externalAmqp,
    databaseUrlOf: (service) => (postgres ? roleUrl(postgres.url, service, roles[service] ?? '') : externalDatabase),
    pids: () => ({ ...(rabbit ? { rabbitmq: rabbit.pid } : {}), ...(postgres ? { postgres: postgres.pid } : {}) }),
    stop: async () => {
      for (const stopWatching of watchdogs) stopWatching();
      await Promise.all([rabbit?.stop(), postgres?.stop()]);
    },
  };
}

/** Starts the server again when its process is gone. */
function watch(server: RabbitServer | PostgresServer, progress: (text: string) => void): () => void {
  let starting = false;
  const timer = setInterval(() => {
    if (starting || alive(server.pid)) return;
    starting = true;
    progress(`a backend process (${server.pid}) is gone; starting it again`);
    server
      .start()
      .catch((error: Error) => progress(`it did not start: ${error.message}`))
      .finally(() => (starting = false));
  }, WATCH_MS);
  return () => clearInterval(timer);
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
