/**
 * What a service is to whoever hosts it. A process of its own (`runService`) and the all-in-one mesh both build a
 * ServiceHost and call `start`; the service does not know which of the two it is in.
 */
import type { Bus } from '@cogmesh/bus';
import type { ConfigDefinition, ConfigOf, Environment, Settings } from '@cogmesh/config';
import type { Database } from '@cogmesh/database';
import type { TransportSecurity } from '@cogmesh/rpc';
import type { Logger } from '@cogmesh/telemetry';

export type ServiceName = 'gateway' | 'policy' | 'scheduler' | 'registry' | 'worker' | 'sidecar';

/** gRPC addresses of the neighbours (their sidecars in a cluster): `host:port` or `unix:/path`. */
export type Peers = Readonly<Record<'gateway' | 'policy' | 'scheduler' | 'registry', string>>;

export interface ServiceHost {
  readonly name: ServiceName;
  /** Folder of this service's own files; exists, private to it. */
  readonly dataDir: string;
  /** Folder made by `cogmesh init`: this service's key and the root's public key. */
  readonly keysDir: string;
  readonly logger: Logger;
  /** Rejects every call where `needs.bus` is false. */
  readonly bus: Bus;
  /** This service's own database; rejects every call where `needs.database` is false. */
  readonly database: Database;
  /** Where its gRPC server listens: `host:port` or `unix:/path`. */
  readonly listen: string;
  readonly peers: Peers;
  /** Mutual TLS for `listen` and `peers`; absent where it is not configured. */
  readonly security?: TransportSecurity;
  /** For libraries with settings of their own (enforcement, identity). */
  readonly environment: Environment;
  /** Ends the process this service is in, after it has drained: it may not go on. */
  readonly fail?: (error: Error) => void;
}

export interface Readiness {
  readonly ready: boolean;
  /** One entry per thing it waits for; a person reads it. */
  readonly checks: Readonly<Record<string, { readonly ready: boolean; readonly detail?: string }>>;
}

export interface RunningService {
  /** `{ grpc: "127.0.0.1:7010", http: "http://127.0.0.1:7000" }`. */
  readonly addresses: Readonly<Record<string, string>>;
  readiness(): Promise<Readiness>;
  /** Drains: stops taking, finishes or hands back, then closes what it opened itself. */
  stop(): Promise<void>;
}

export interface ServiceDefinition<S extends Settings = Settings> {
  readonly name: ServiceName;
  readonly config: ConfigDefinition<S>;
  readonly needs: { readonly bus: boolean; readonly database: boolean };
  readonly start: (host: ServiceHost, config: ConfigOf<ConfigDefinition<S>>) => Promise<RunningService>;
}
