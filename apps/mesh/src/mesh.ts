import type { Readiness } from '@cogmesh/service';

/** A running mesh, all in one or a cluster: what the command line needs to know of it. */
export interface Mesh {
  /** Base URL of the REST API. */
  readonly url: string;
  /** gRPC address of the public face. */
  readonly grpc: string;
  /** gRPC address of the registry, where agents connect. */
  readonly registry: string;
  /** The embedded trace store; empty when spans go elsewhere. */
  readonly traceFile: string;
  readiness(): Promise<Readiness>;
  /** Makes spans that ended until now readable. */
  flushTraces(): Promise<void>;
  /** Processes of ours, without their children. */
  pids(): number[];
  /** Drains and stops everything it started. */
  stop(): Promise<void>;
}
