/**
 * Which processes a cluster on one machine has, and the environment of each: the gateway, and policy, scheduler, registry
 * and worker each behind a sidecar with which it shares a secret. Peers' addresses are always the sidecars'; of several
 * schedulers all of them. Pure data.
 */
import { join } from 'node:path';
import type { Environment } from '@cogmesh/config';
import { keyFiles } from '@cogmesh/identity';
import type { DataDirectory } from '../data-directory.js';

export const guarded = ['policy', 'scheduler', 'registry', 'worker'] as const;
export type Guarded = (typeof guarded)[number];
/** A guarded service; of several schedulers the second and further ones have a number. */
export type GuardedName = Guarded | `scheduler-${number}`;
export type ProcessName = 'gateway' | GuardedName | `${GuardedName}-sidecar`;

export interface Placement {
  readonly directory: DataDirectory;
  readonly environment: Environment;
  readonly httpListen: string;
  readonly traceFile: string;
  /** Where spans go when OTEL_* does not say. */
  readonly traceEndpoint: string;
  readonly amqpUrlOf: (service: string) => string;
  readonly databaseUrlOf: (service: string) => string;
  /** Two free loopback ports per process: gRPC and health. */
  readonly ports: readonly number[];
  /** Schedulers that share the work. */
  readonly schedulers: number;
  /** Every process has its certificate, and speaks to the others with mutual TLS. */
  readonly mutualTls?: boolean;
  /** Settings of single processes, which stand against those of all; `addressOf` answers where each serves gRPC. */
  readonly settingsOf?: SettingsOf | undefined;
}

export type SettingsOf = (name: string, addressOf: (name: ProcessName) => string) => Environment;

export interface PlannedProcess {
  readonly name: ProcessName;
  /** Package whose dist/main.js runs. */
  readonly app: string;
  readonly environment: Environment;
  readonly healthUrl: string;
}

export interface GuardedProcess {
  readonly name: GuardedName;
  readonly service: Guarded;
}

export function guardedProcesses(schedulers: number): GuardedProcess[] {
  const further = Array.from({ length: schedulers - 1 }, (_, index): GuardedProcess => {
    return { name: `scheduler-${index + 2}`, service: 'scheduler' };
  });
  return [...guarded.map((service) => ({ name: service, service })), ...further];
}

export const processNames = (schedulers: number): ProcessName[] => [
  'gateway',
  ...guardedProcesses(schedulers).flatMap(({ name }): ProcessName[] => [name, `${name}-sidecar`]),
];

export const secretFile = (directory: DataDirectory, name: GuardedName) =>
  join(directory.path, 'run', `${name}.secret`);

export function planCluster(placement: Placement): PlannedProcess[] {
  const names = processNames(placement.schedulers);
  const address = (name: ProcessName, offset = 0) => `127.0.0.1:${placement.ports[names.indexOf(name) * 2 + offset]}`;
  const common = commonEnvironment(placement, address);
  const planned = (name: ProcessName, app: string, own: Environment): PlannedProcess => ({
    name,
    app,
    healthUrl: `http://${address(name, 1)}`,
    environment: {
      ...common,
      ...(placement.mutualTls ? certificatesOf(placement.directory, name) : {}),
      ...own,
      ...placement.settingsOf?.(name, address),
      COGMESH_LISTEN: address(name),
      COGMESH_HEALTH_LISTEN: address(name, 1),
      OTEL_SERVICE_NAME: app,
    },
  });
  return [
    ...guardedProcesses(placement.schedulers).flatMap(({ name, service }) => [
      planned(name, service, {
        ...backends(placement, service),
        // The first of a kind has the folder of old; others must not share its files.
        ...(name === service ? {} : { COGMESH_DATA_DIR: join(placement.directory.path, name) }),
        ...(service === 'scheduler' ? { COGMESH_SCHEDULER_REPLICA: name } : {}),
        COGMESH_ENFORCEMENT: 'sidecar',
        COGMESH_SIDECAR_ADDRESS: address(`${name}-sidecar`),
        COGMESH_SIDECAR_SECRET_FILE: secretFile(placement.directory, name),
        COGMESH_ADVERTISED_ADDRESS: address(`${name}-sidecar`),
      }),
      planned(`${name}-sidecar`, 'sidecar', {
        COGMESH_DATA_DIR: join(placement.directory.path, `${name}-sidecar`),
        COGMESH_SIDECAR_SERVICE: service,
        COGMESH_SIDECAR_UPSTREAM: address(name),
        COGMESH_SIDECAR_SECRET_FILE: secretFile(placement.directory, name),
        // The policy service's own sidecar fetches bundles from the service behind it.
        ...(service === 'policy' ? { COGMESH_POLICY_ADDRESS: address('policy-sidecar') } : {}),
      }),
    ]),
    planned('gateway', 'gateway', {
      ...backends(placement, 'gateway'),
      COGMESH_ENFORCEMENT: 'in-process',
      COGMESH_HTTP_LISTEN: placement.httpListen,
      COGMESH_TRACE_STORE: placement.traceFile,
    }),
  ];
}

/** Of several schedulers all have the certificate of the service that they are. */
function certificatesOf({ keysDir }: DataDirectory, process: ProcessName): Environment {
  const name = process.replace(/^scheduler-\d+/, 'scheduler');
  return {
    COGMESH_MTLS_CERT: keyFiles.certificate(keysDir, name),
    COGMESH_MTLS_KEY: keyFiles.certificateKey(keysDir, name),
    COGMESH_MTLS_CA: keyFiles.certificate(keysDir, 'ca'),
  };
}

const backends = ({ amqpUrlOf, databaseUrlOf }: Placement, service: string): Environment => ({
  COGMESH_AMQP_URL: amqpUrlOf(service),
  COGMESH_DATABASE_URL: databaseUrlOf(service),
});

function commonEnvironment(placement: Placement, address: (name: ProcessName) => string): Environment {
  const { directory, environment, traceEndpoint, schedulers } = placement;
  const ofSchedulers = guardedProcesses(schedulers).filter(({ service }) => service === 'scheduler');
  const traced =
    environment['OTEL_EXPORTER_OTLP_ENDPOINT'] !== undefined || environment['OTEL_TRACES_EXPORTER'] !== undefined;
  return {
    ...environment,
    COGMESH_DATA_DIR: directory.path,
    COGMESH_KEYS_DIR: directory.keysDir,
    COGMESH_POLICY_BOOTSTRAP_DIR: directory.bootstrapDir,
    COGMESH_DEV: '1',
    COGMESH_GATEWAY_ADDRESS: address('gateway'),
    COGMESH_POLICY_ADDRESS: address('policy-sidecar'),
    COGMESH_SCHEDULER_ADDRESS: ofSchedulers.map(({ name }) => address(`${name}-sidecar`)).join(','),
    COGMESH_REGISTRY_ADDRESS: address('registry-sidecar'),
    ...(traced
      ? {}
      : {
          OTEL_EXPORTER_OTLP_ENDPOINT: traceEndpoint,
          OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
        }),
  };
}
