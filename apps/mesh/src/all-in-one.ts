/**
 * All in one: every service in this process, over Unix sockets of a private folder, with an in-process bus, SQLite files
 * and enforcement inside each service. The services do not know; only addresses and adapters differ from a cluster.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMemoryHub } from '@cogmesh/bus';
import type { Environment, Settings } from '@cogmesh/config';
import { gatewayService } from '@cogmesh/gateway';
import { policyService } from '@cogmesh/policy';
import { registryService } from '@cogmesh/registry';
import { schedulerService } from '@cogmesh/scheduler';
import { type HostedService, hostService, type Readiness, type ServiceDefinition, version } from '@cogmesh/service';
import { createLogger, type Logger, openTraceStore, startTelemetry, type Telemetry } from '@cogmesh/telemetry';
import { workerService } from '@cogmesh/worker';
import { type DataDirectory, hostOrganisationOf } from './data-directory.js';
import type { Mesh } from './mesh.js';

export interface AllInOneOptions {
  readonly directory: DataDirectory;
  readonly environment: Environment;
  /** `host:port` of the REST API; port 0 picks one. */
  readonly httpListen: string;
  readonly logger?: Logger;
}

/** Milliseconds; well within the 5 s after which policies count as stale. */
const POLICY_POLL_MS = '2000';

/** Longest Unix socket path most systems take is 107 bytes; leave room for the name. */
const MAX_SOCKET_FOLDER = 90;

export async function startAllInOne(options: AllInOneOptions): Promise<Mesh> {
  const { directory } = options;
  const logger = options.logger ?? createLogger({ level: options.environment['COGMESH_LOG_LEVEL'] ?? 'warn' });
  const sockets = await socketFolder(directory.path);
  const traceFile = join(directory.path, 'traces.sqlite');
  const telemetry = await traced(traceFile, options.environment);
  const environment: Environment = {
    ...environmentOf(options, sockets.path, traceFile),
    COGMESH_HOST_ORGANISATION: await hostOrganisationOf(directory),
  };
  const hub = createMemoryHub();
  const hosted: HostedService[] = [];
  const host = async <S extends Settings>(definition: ServiceDefinition<S>) => {
    const own = { ...environment, COGMESH_LISTEN: `unix:${join(sockets.path, `${definition.name}.sock`)}` };
    const started = await hostService(definition, { environment: own, hub, logger });
    hosted.push(started);
    return started;
  };
  const stop = async () => {
    for (const each of stopOrder(hosted)) await each.stop();
    await telemetry.stop();
    await sockets.remove();
  };
  try {
    // Policy first, since everybody asks it for bundles at once; then the registry, whose agents the scheduler asks for;
    // the worker meets them all.
    await host(policyService);
    const starting = [host(gatewayService), host(registryService)] as const;
    // When one fails, the other must have come up before it can be stopped.
    await Promise.allSettled(starting);
    const [gateway] = await Promise.all(starting);
    await host(schedulerService);
    await host(workerService);
    return {
      url: gateway.running.addresses['http'] ?? '',
      grpc: gateway.running.addresses['grpc'] ?? '',
      registry: environment['COGMESH_REGISTRY_ADDRESS'] ?? '',
      traceFile,
      readiness: () => readiness(hosted),
      flushTraces: telemetry.flush,
      stop,
      pids: () => [process.pid],
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function environmentOf(options: AllInOneOptions, sockets: string, traceFile: string): Environment {
  const socketOf = (name: string) => `unix:${join(sockets, `${name}.sock`)}`;
  return {
    // Several enforcement points share a process with the policy service: asking it less often takes a quarter off idling.
    COGMESH_POLICY_POLL_MS: POLICY_POLL_MS,
    ...options.environment,
    COGMESH_DATA_DIR: options.directory.path,
    COGMESH_KEYS_DIR: options.directory.keysDir,
    COGMESH_POLICY_BOOTSTRAP_DIR: options.directory.bootstrapDir,
    COGMESH_ENFORCEMENT: 'in-process',
    COGMESH_DEV: '1',
    COGMESH_TRACE_STORE: traceFile,
    COGMESH_HTTP_LISTEN: options.httpListen,
    COGMESH_GATEWAY_ADDRESS: socketOf('gateway'),
    COGMESH_POLICY_ADDRESS: socketOf('policy'),
    COGMESH_SCHEDULER_ADDRESS: socketOf('scheduler'),
    COGMESH_REGISTRY_ADDRESS: socketOf('registry'),
  };
}

/** Sockets live in the data directory, or, where its path is too long for one, in a private temporary folder. */
async function socketFolder(dataDir: string): Promise<{ path: string; remove(): Promise<void> }> {
  const inside = join(dataDir, 'run');
  if (Buffer.byteLength(inside) > MAX_SOCKET_FOLDER) {
    const outside = await mkdtemp(join(tmpdir(), 'cogmesh-'));
    return { path: outside, remove: () => rm(outside, { recursive: true, force: true }) };
  }
  await mkdir(inside, { recursive: true, mode: 0o700 });
  return { path: inside, remove: async () => {} };
}

async function traced(traceFile: string, environment: Environment): Promise<Telemetry> {
  const store = await openTraceStore(traceFile);
  const telemetry = await startTelemetry({
    service: 'cogmesh',
    version,
    environment,
    sink: (spans) => store.append(spans),
  });
  return {
    flush: () => telemetry.flush(),
    stop: async () => {
      await telemetry.stop();
      await store.close();
    },
  };
}

/**
 * The edge closes first, then those who bring results, for the bus forgets what the scheduler did not take before it stops: the worker,
 * and the registry for SDK agents. Policy answers until the end.
 */
function stopOrder(hosted: readonly HostedService[]): HostedService[] {
  const order: readonly string[] = ['gateway', 'worker', 'registry', 'scheduler', 'policy'];
  return [...hosted].sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
}

async function readiness(hosted: readonly HostedService[]): Promise<Readiness> {
  const found = await Promise.all(hosted.map(async ({ name, running }) => [name, await running.readiness()] as const));
  return {
    ready: found.every(([, each]) => each.ready),
    checks: Object.fromEntries(
      found.flatMap(([name, { checks }]) =>
        Object.entries(checks).map(([check, value]) => [`${name}.${check}`, value]),
      ),
    ),
  };
}
