/**
 * Builds a ServiceHost from the environment and starts a service on it: data folder, logger, its own bus connection and
 * its own database. Used by `runService` (one process) and by the all-in-one mesh, which passes the hub it shares.
 */
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Bus, type MemoryHub, openRabbit } from '@cogmesh/bus';
import { type Environment, loadConfig, type Settings } from '@cogmesh/config';
import { type Database, openPostgres, openSqlite } from '@cogmesh/database';
import { CogmeshError } from '@cogmesh/errors';
import { TransportSecurity } from '@cogmesh/rpc';
import { createLogger, inService, type Logger } from '@cogmesh/telemetry';
import type { RunningService, ServiceDefinition, ServiceHost, ServiceName } from './definition.js';
import { defaultListen, type PlatformConfig, platformConfig } from './platform-config.js';
import { unusedBus, unusedDatabase } from './unused.js';

export interface HostOptions {
  readonly environment: Environment;
  /** Shared in-process bus; without it a service that needs a bus must have COGMESH_AMQP_URL. */
  readonly hub?: MemoryHub;
  readonly logger?: Logger;
  /** What `ServiceHost.fail` does. */
  readonly fail?: (error: Error) => void;
}

export interface HostedService {
  readonly name: ServiceName;
  readonly running: RunningService;
  /** Stops the service, then closes its bus connection and database. */
  stop(): Promise<void>;
}

export async function hostService<S extends Settings>(
  definition: ServiceDefinition<S>,
  options: HostOptions,
): Promise<HostedService> {
  return inService(definition.name, async () => {
    const platform = loadConfig(platformConfig, options.environment);
    const config = loadConfig(definition.config, options.environment);
    const host = await openHost(definition, platform, options);
    try {
      const running = await definition.start(host, config);
      return { name: definition.name, running, stop: () => stopAll(running, host) };
    } catch (error) {
      await closeHost(host);
      throw error;
    }
  });
}

async function stopAll(running: RunningService, host: ServiceHost): Promise<void> {
  try {
    await running.stop();
  } finally {
    await closeHost(host);
  }
}

async function closeHost(host: ServiceHost): Promise<void> {
  host.security?.close();
  await host.bus.close();
  await host.database.close();
}

async function openHost(
  { name, needs }: Pick<ServiceDefinition, 'name' | 'needs'>,
  platform: PlatformConfig,
  options: HostOptions,
): Promise<ServiceHost> {
  const root = resolve(platform.dataDir);
  const dataDir = join(root, name);
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const logger = options.logger ?? createLogger({ level: platform.logLevel });
  const database = needs.database ? await openDatabase(name, platform, dataDir) : unusedDatabase(name);
  const bus = needs.bus ? await openBus(name, platform, { ...options, logger }) : unusedBus(name);
  if (needs.database) await waitFor(() => database.ping(), 'the database', platform.startTimeoutMs, logger);
  return {
    name,
    dataDir,
    keysDir: platform.keysDir === '' ? join(root, 'keys') : resolve(platform.keysDir),
    logger,
    bus,
    database,
    listen: platform.listen === '' ? defaultListen[name] : platform.listen,
    peers: {
      gateway: platform.gatewayAddress,
      policy: platform.policyAddress,
      scheduler: platform.schedulerAddress,
      registry: platform.registryAddress,
    },
    ...securityOf(platform, logger),
    environment: options.environment,
    ...(options.fail ? { fail: options.fail } : {}),
  };
}

/** Refuses (`invalid_config`) half a configuration: nobody is to think that there is TLS where there is none. */
function securityOf({ mtlsCert, mtlsKey, mtlsCa, mtlsReloadMs }: PlatformConfig, logger: Logger) {
  const files = { cert: mtlsCert, key: mtlsKey, ca: mtlsCa };
  const missing = Object.values(files).filter((file) => file === '').length;
  if (missing === 3) return {};
  if (missing === 0) return { security: new TransportSecurity({ files, reloadMs: mtlsReloadMs, logger }) };
  throw new CogmeshError(
    'invalid_config',
    'COGMESH_MTLS_CERT, COGMESH_MTLS_KEY and COGMESH_MTLS_CA are set together or not at all',
  );
}

function openDatabase(name: ServiceName, platform: PlatformConfig, dataDir: string): Promise<Database> {
  if (platform.databaseUrl === '') return openSqlite(join(dataDir, `${name}.sqlite`));
  return openPostgres(platform.databaseUrl, { schema: name });
}

async function openBus(
  name: ServiceName,
  platform: PlatformConfig,
  options: HostOptions & { logger: Logger },
): Promise<Bus> {
  if (platform.amqpUrl === '') {
    if (options.hub) return options.hub.connect(name);
    throw new CogmeshError(
      'invalid_config',
      `COGMESH_AMQP_URL is not set: ${name} as a process of its own needs RabbitMQ`,
    );
  }
  const url = platform.amqpUrl;
  return waitFor(
    () => openRabbit({ url, identity: name, logger: options.logger }),
    'RabbitMQ',
    platform.startTimeoutMs,
    options.logger,
  );
}

/** Back-off from 0.1 s to 2 s until `attempt` succeeds; the last error when time is up. */
async function waitFor<T>(attempt: () => Promise<T>, what: string, timeoutMs: number, logger: Logger): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 2, 2_000)) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() + pauseMs > deadline) throw error;
      logger.warn({ err: error }, `waiting for ${what}`);
      await delay(pauseMs);
    }
  }
}
