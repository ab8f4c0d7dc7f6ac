/** What the use cases talk to. Built in wiring.ts; each operation takes the few it needs. */
import type {
  policyGrantsV1,
  policyIssuersV1,
  policySearchV1,
  policyV1,
  registryV1,
  schedulerV1,
} from '@cogmesh/contracts';
import type { BlobStore } from '@cogmesh/blobs';
import type { Client } from '@cogmesh/rpc';
import type { TraceStore } from '@cogmesh/telemetry';
import type { BlobRecords } from '../blobs/blob-records.js';
import type { Decisions } from './authority.js';
import type { AuditClient } from './audit.js';
import type { AskerRules } from '../authzen/asker.js';
import type { PermittedCalls } from './permitted-calls.js';
import type { PolicyVersionClient } from './policy-versions.js';
import type { RevocationClient } from './revocations.js';
import type { StreamSlots } from './stream-slots.js';

export type SchedulerClient = Client<typeof schedulerV1.SchedulerService>;
export type RegistryClient = Client<typeof registryV1.RegistryService>;
export type IssuersClient = Client<typeof policyIssuersV1.IssuerService>;
export type GrantsClient = Client<typeof policyGrantsV1.GrantService>;
export type PolicyClient = Client<typeof policyV1.PolicyService>;
export type SearchClient = Client<typeof policySearchV1.SearchService>;
export type TraceReader = Pick<TraceStore, 'read'>;

export interface OperationLimits {
  /** Distinct models, tools and blobs one run may name. */
  readonly runResources: number;
  /** Bytes of one uploaded blob. */
  readonly blobBytes: number;
  /** Milliseconds an uploaded blob is kept. */
  readonly blobTtlMs: number;
  /** Milliseconds one watch may last before the caller has to resume it. */
  readonly watchMs: number;
}

export interface OperationPorts {
  readonly decisions: Decisions;
  readonly calls: PermittedCalls;
  readonly scheduler: SchedulerClient;
  readonly registry: RegistryClient;
  readonly policy: PolicyClient;
  readonly issuers: IssuersClient;
  readonly grants: GrantsClient;
  readonly policyVersions: PolicyVersionClient;
  readonly audit: AuditClient;
  readonly revocations: RevocationClient;
  readonly search: SearchClient;
  /** Who may ask about whom, and with which properties. */
  readonly askers: AskerRules;
  readonly blobRecords: BlobRecords;
  readonly blobStore: BlobStore;
  /** Absent where no trace store is configured. */
  readonly traces: TraceReader | undefined;
  readonly streams: StreamSlots;
  readonly limits: OperationLimits;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}
