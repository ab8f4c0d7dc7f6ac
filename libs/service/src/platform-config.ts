import { defineConfig, integer, setting, text, type ConfigOf } from '@cogmesh/config';

/** Settings every service has, whoever hosts it. */
export const platformConfig = defineConfig('every service', {
  dataDir: setting('COGMESH_DATA_DIR', text('.cogmesh'), 'Folder of everything kept on this machine.'),
  keysDir: setting(
    'COGMESH_KEYS_DIR',
    text(''),
    'Folder of keys made by `cogmesh init`; empty means `keys` in the data folder.',
  ),
  amqpUrl: setting(
    'COGMESH_AMQP_URL',
    text(''),
    'RabbitMQ, `amqp://user:password@host:port/vhost`; the user is the service’s own. Empty only all in one.',
  ),
  databaseUrl: setting(
    'COGMESH_DATABASE_URL',
    text(''),
    'PostgreSQL, `postgres://user:password@host:port/database`; the schema is named after the service. Empty means SQLite in the data folder.',
  ),
  listen: setting(
    'COGMESH_LISTEN',
    text(''),
    'gRPC address, `host:port` or `unix:/path`; empty means the default port of the service on loopback.',
  ),
  healthListen: setting(
    'COGMESH_HEALTH_LISTEN',
    text(''),
    '`host:port` of `/healthz` and `/readyz` for this process; empty means none.',
  ),
  gatewayAddress: setting('COGMESH_GATEWAY_ADDRESS', text('127.0.0.1:7010'), 'gRPC address of the gateway.'),
  policyAddress: setting(
    'COGMESH_POLICY_ADDRESS',
    text('127.0.0.1:7020'),
    'gRPC address of the policy service or its sidecar.',
  ),
  schedulerAddress: setting(
    'COGMESH_SCHEDULER_ADDRESS',
    text('127.0.0.1:7030'),
    'gRPC address of the scheduler or its sidecar.',
  ),
  registryAddress: setting(
    'COGMESH_REGISTRY_ADDRESS',
    text('127.0.0.1:7040'),
    'gRPC address of the registry or its sidecar.',
  ),
  mtlsCert: setting(
    'COGMESH_MTLS_CERT',
    text(''),
    'File with this process’s certificate (PEM) for mutual TLS between services, made by `cogmesh keys certificates`; empty means none. Set with COGMESH_MTLS_KEY and COGMESH_MTLS_CA.',
  ),
  mtlsKey: setting('COGMESH_MTLS_KEY', text(''), 'File with the private key (PEM) of that certificate.'),
  mtlsCa: setting('COGMESH_MTLS_CA', text(''), 'File with the authorities (PEM) whose certificates are believed.'),
  mtlsReloadMs: setting(
    'COGMESH_MTLS_RELOAD_MS',
    integer({ min: 100, max: 86_400_000, default: 5_000 }),
    'How often these files are looked at, milliseconds; changed ones serve new connections.',
  ),
  logLevel: setting('COGMESH_LOG_LEVEL', text('info'), 'trace, debug, info, warn, error, fatal or silent.'),
  startTimeoutMs: setting(
    'COGMESH_START_TIMEOUT_MS',
    integer({ min: 0, max: 600_000, default: 60_000 }),
    'How long a start waits for the broker and the database before it gives up, milliseconds.',
  ),
  stopTimeoutMs: setting(
    'COGMESH_STOP_TIMEOUT_MS',
    integer({ min: 0, max: 600_000, default: 30_000 }),
    'How long a stop may drain before the process leaves anyway, milliseconds.',
  ),
});

export type PlatformConfig = ConfigOf<typeof platformConfig>;

/** Default gRPC ports on loopback, by service. */
export const defaultListen = {
  gateway: '127.0.0.1:7010',
  policy: '127.0.0.1:7020',
  scheduler: '127.0.0.1:7030',
  registry: '127.0.0.1:7040',
  worker: '127.0.0.1:7050',
  sidecar: '127.0.0.1:7060',
} as const;
