/**
 * Which processes a cluster on one machine has, and the environment of each: the gateway, and policy, scheduler, registry
 * and worker each behind a sidecar with which it shares a secret. Peers' addresses are always the sidecars'. Pure data.
 */
import { join } from 'node:path';
import type { Environment } from '@cogmesh/config';
import type { DataDirectory } from '../data-directory.js';

export const guarded = ['policy', 'scheduler', 'registry', 'worker'] as const;
export type Guarded = (typeof guarded)[number];
export type ProcessName = 'gateway' | Guarded | `${Guarded}-sidecar`;

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
}

export interface PlannedProcess {
  readonly name: ProcessName;
  /** Package whose dist/main.js runs. */
  readonly app: string;
  readonly environment: Environment;
  readonly healthUrl: string;
}

export const processNames: readonly ProcessName[] = [
  'gateway',
  ...guarded.flatMap((service): ProcessName[] => [service, `${service}-sidecar`]),
];

export const secretFile = (directory: DataDirectory, service: Guarded) =>
  join(directory.path, 'run', `${service}.secret`);

export function planCluster(placement: Placement): PlannedProcess[] {
  const address = (name: ProcessName, offset = 0) =>
    `127.0.0.1:${placement.ports[processNames.indexOf(name) * 2 + offset]}`;
  const common = commonEnvironment(placement, address);
  const planned = (name: ProcessName, app: string, own: Environment): PlannedProcess => ({
    name,
    app,
    healthUrl: `http://${address(name, 1)}`,
    environment: {
      ...common,
      ...own,
      COGMESH_LISTEN: address(name),
      COGMESH_HEALTH_LISTEN: address(name, 1),
      OTEL_SERVICE_NAME: app,
    },
  });
  return [
    ...guarded.flatMap((service) => [
      planned(service, service, {
        ...backends(placement, service),
        COGMESH_ENFORCEMENT: 'sidecar',
        COGMESH_SIDECAR_ADDRESS: address(`${service}-sidecar`),
        COGMESH_SIDECAR_SECRET_FILE: secretFile(placement.directory, service),
        COGMESH_ADVERTISED_ADDRESS: address(`${service}-sidecar`),
      }),
      planned(`${service}-sidecar`, 'sidecar', {
        COGMESH_DATA_DIR: join(placement.directory.path, `${service}-sidecar`),
        COGMESH_SIDECAR_SERVICE: service,
        COGMESH_SIDECAR_UPSTREAM: address(service),
        COGMESH_SIDECAR_SECRET_FILE: secretFile(placement.directory, service),
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

const backends = ({ amqpUrlOf, databaseUrlOf }: Placement, service: string): Environment => ({
  COGMESH_AMQP_URL: amqpUrlOf(service),
  COGMESH_DATABASE_URL: databaseUrlOf(service),
});

function commonEnvironment(placement: Placement, address: (name: ProcessName) => string): Environment {
  const { directory, environment, traceEndpoint } = placement;
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
    COGMESH_SCHEDULER_ADDRESS: address('scheduler-sidecar'),
    COGMESH_REGISTRY_ADDRESS: address('registry-sidecar'),
    ...(traced
      ? {}
      : {
          OTEL_EXPORTER_OTLP_ENDPOINT: traceEndpoint,
          OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
        }),
  };
}
