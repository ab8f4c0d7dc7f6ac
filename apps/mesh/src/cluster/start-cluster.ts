/**
 * The cluster on one machine: broker, database, every service and sidecar as a process of its own, and a small trace
 * collector, all supervised from here. What production runs with an orchestrator, this runs for one person.
 */
import { mkdir, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePorts } from '@cogmesh/backends';
import { loadConfig, type Environment } from '@cogmesh/config';
import { createSidecarSecretFile } from '@cogmesh/enforcement';
import { CogmeshError } from '@cogmesh/errors';
import { ensureCertificates } from '@cogmesh/identity';
import type { Readiness } from '@cogmesh/service';
import { type DataDirectory, hostOrganisationOf } from '../data-directory.js';
import type { Mesh } from '../mesh.js';
import { type Backend, startBackends } from './backends.js';
import { clusterConfig } from './config.js';
import { ServiceProcess } from './service-process.js';
import { guardedProcesses, planCluster, processNames, secretFile, type SettingsOf } from './topology.js';
import { startTraceCollector, type TraceCollector } from './trace-collector.js';

export interface ClusterOptions {
  readonly directory: DataDirectory;
  readonly environment: Environment;
  /** `host:port` of the REST API; port 0 picks one. */
  readonly httpListen: string;
  readonly progress: (text: string) => void;
  readonly startTimeoutMs?: number;
  /** Schedulers that share the work. Default: COGMESH_CLUSTER_SCHEDULERS of the environment, or 1. */
  readonly schedulers?: number;
  /** Settings of single processes, which stand against `environment`. */
  readonly settingsOf?: SettingsOf;
}

export interface Cluster extends Mesh {
  /** Process id of a service (`scheduler`, `scheduler-2`), a sidecar (`scheduler-sidecar`), `rabbitmq` or `postgres` as it is now. */
  pidOf(name: string): number;
  /** gRPC address of a service or a sidecar. A service's own is for its sidecar alone. */
  addressOf(name: string): string;
  readonly backend: Backend;
}

const DEFAULT_START_TIMEOUT_MS = 120_000;
const POLL_MS = 50;

export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { directory, environment, progress } = options;
  const logs = join(directory.path, 'logs');
  await mkdir(logs, { recursive: true, mode: 0o700 });
  const schedulers = options.schedulers ?? loadConfig(clusterConfig, environment).schedulers;
  await makeSecrets(directory, schedulers);
  const { mutualTls } = loadConfig(clusterConfig, environment);
  if (mutualTls) await ensureCertificates(directory.keysDir);
  const traceFile = join(directory.path, 'traces.sqlite');
  const collector = await startTraceCollector(traceFile);
  const backend = await startBackends({ dataDir: directory.path, environment, progress });
  const ports = await freePorts(processNames(schedulers).length * 2 + 1);
  const httpListen = options.httpListen.endsWith(':0')
    ? options.httpListen.replace(/0$/, String(ports.at(-1)))
    : options.httpListen;
  const plan = planCluster({
    directory,
    environment: { ...environment, COGMESH_HOST_ORGANISATION: await hostOrganisationOf(directory) },
    httpListen,
    traceFile,
    traceEndpoint: collector.endpoint,
    amqpUrlOf: backend.amqpUrlOf,
    databaseUrlOf: backend.databaseUrlOf,
    ports,
    schedulers,
    settingsOf: options.settingsOf,
    mutualTls,
  });
  const processes = plan.map(
    ({ name, app, ...rest }) =>
      new ServiceProcess({ name, script: mainOf(app), logFile: join(logs, `${name}.log`), ...rest }),
  );
  progress(`starting ${processes.length} processes (logs in ${logs}) …`);
  for (const each of processes) each.start();
  const addressOf = (name: string) =>
    plan.find((process) => process.name === name)?.environment['COGMESH_LISTEN'] ?? '';
  const cluster = clusterOf({ processes, backend, collector, traceFile, url: `http://${httpListen}`, addressOf });
  try {
    await allReady(processes, options.startTimeoutMs ?? DEFAULT_START_TIMEOUT_MS, logs);
    return cluster;
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

/** A new secret per service and its sidecar, at every start. */
async function makeSecrets(directory: DataDirectory, schedulers: number): Promise<void> {
  await mkdir(join(directory.path, 'run'), { recursive: true, mode: 0o700 });
  for (const { name } of guardedProcesses(schedulers)) {
    await rm(secretFile(directory, name), { force: true });
    createSidecarSecretFile(secretFile(directory, name));
  }
}

const require = createRequire(import.meta.url);
const mainOf = (app: string) => join(dirname(require.resolve(`@cogmesh/${app}/package.json`)), 'dist/main.js');

async function allReady(processes: readonly ServiceProcess[], timeoutMs: number, logs: string): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  for (const each of processes) {
    while (!(await each.ready())) {
      if (Date.now() > deadline) {
        throw new CogmeshError(
          'unavailable',
          `${each.name} did not become ready within ${timeoutMs} ms; see ${join(logs, `${each.name}.log`)}`,
        );
      }
      await delay(POLL_MS);
    }
  }
}

interface Parts {
  readonly processes: readonly ServiceProcess[];
  readonly backend: Backend;
  readonly collector: TraceCollector;
  readonly traceFile: string;
  readonly url: string;
  readonly addressOf: (name: string) => string;
}

/** The edge stops first, then those who take work, then those who own state, each before the sidecar in front of it. */
const stopOrder = [/^gateway$/, /^worker$/, /^scheduler(-\d+)?$/, /^registry$/, /^policy$/];

function clusterOf({ processes, backend, collector, traceFile, url, addressOf }: Parts): Cluster {
  const byName = new Map(processes.map((each) => [each.name, each]));
  const pids = () => processes.map(({ pid }) => pid ?? 0).filter((pid) => pid > 0);
  const stop = async () => {
    for (const kind of stopOrder) {
      for (const each of processes.filter(({ name }) => kind.test(name))) {
        await each.stop();
        await byName.get(`${each.name}-sidecar`)?.stop();
      }
    }
    await collector.close();
    await backend.stop();
  };
  return {
    url,
    grpc: addressOf('gateway'),
    registry: addressOf('registry-sidecar'),
    addressOf,
    traceFile,
    backend,
    pids,
    stop,
    pidOf: (name) => byName.get(name)?.pid ?? backend.pids()[name] ?? 0,
    // Exporters in other processes send by themselves, twice a second.
    flushTraces: async () => {},
    readiness: () => readiness(processes),
  };
}

async function readiness(processes: readonly ServiceProcess[]): Promise<Readiness> {
  const found = await Promise.all(processes.map(async (each) => [each.name, { ready: await each.ready() }] as const));
  return { ready: found.every(([, { ready }]) => ready), checks: Object.fromEntries(found) };
}
