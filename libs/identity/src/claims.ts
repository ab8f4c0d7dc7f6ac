/** What verified inside tokens say. All times are milliseconds since 1970. */
import type { Access, OutsideSubject } from '@cogmesh/rpc';

export interface ServiceClaims {
  /** The calling service. */
  readonly service: string;
  readonly audience: string;
  readonly expiresAtMs: number;
}

/** One call that the gateway allowed a subject to make on one service. */
export interface PermitClaims {
  /** `jti`, a ULID; single use for methods that change something. */
  readonly id: string;
  readonly audience: string;
  /** Full gRPC method, `/cogmesh.scheduler.v1.SchedulerService/SubmitRun`. */
  readonly method: string;
  readonly access: readonly Access[];
  readonly subject: OutsideSubject;
  /** The outside token it was minted for; what a revocation names. */
  readonly outside: { readonly iss: string; readonly sub: string; readonly jti: string };
  /** Partner grants the access rests on. */
  readonly grants: readonly string[];
  /** Types of obligations that the gateway has met for this call. */
  readonly met?: readonly string[];
  /** Consistency token of a write that the check must have seen. */
  readonly consistency?: string;
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
}

export interface GrantedAttempt {
  readonly attemptId: string;
  /** With the exact version, `model:acme/ppocr-detect@4.0.0`. */
  readonly capability: string;
  /** SHA-256 of the input JSON's UTF-8 bytes, lower-case hexadecimal. */
  readonly inputSha256: string;
  /** Blobs the attempt may read. */
  readonly blobs: readonly string[];
  /** Whose work it is. */
  readonly organisation: string;
  /** Whose rights it rests on; absent for work of before that was kept. */
  readonly submitter?: Submitter;
}

/** Who submitted work, as a revocation may name them, and as the policies are asked about them again. */
export interface Submitter {
  readonly issuer: string;
  readonly sub: string;
  /** Empty when there was no token, or it had no id. */
  readonly tokenId: string;
  readonly keyId?: string;
  /** As the token said; absent, with the attributes, for work of before that was kept. */
  readonly roles?: readonly string[];
  readonly attributes?: Readonly<Record<string, unknown>>;
  /** Types of obligations that were met when the work was submitted. */
  readonly met?: readonly string[];
}

/** The right to work on exactly these attempts. Names an agent or a shared queue, never both. */
export interface TaskGrantClaims {
  readonly agent?: string;
  readonly queue?: string;
  readonly attempts: readonly GrantedAttempt[];
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
}

/** The compiled policies of one organisation at one epoch. `policies` is policy-core's JSON. */
export interface BundleClaims {
  readonly organisation: string;
  readonly epoch: number;
  readonly policies: unknown;
  /** Void before then. */
  readonly notBeforeMs?: number;
  /** Void from then on; a newer one of the same epoch replaces it before. */
  readonly expiresAtMs?: number;
}

/** The policy service's present: every organisation's epoch, bound to the asker's nonce. */
export interface HeartbeatClaims {
  readonly nonce: string;
  readonly epochs: Readonly<Record<string, number>>;
  /** Epoch of the list of revocations; absent where there is none. */
  readonly revocations?: number;
}

/** What one organisation lets another do with its resources. Signed by the grantor. */
export interface PartnerGrantClaims {
  readonly id: string;
  readonly grantor: string;
  readonly grantee: string;
  readonly actions: readonly string[];
  /** Canonical globs by segment, `/models/acme/*`. */
  readonly resources: readonly string[];
  /** Why, for a person. */
  readonly purpose?: string;
  readonly issuedAtMs: number;
  /** Void before then. */
  readonly notBeforeMs?: number;
  readonly expiresAtMs: number;
  /** Roles of the grantee's subjects that count; absent: any. */
  readonly roles?: readonly string[];
  /** Attributes of the grantee's subjects that count; absent: any. */
  readonly attributes?: readonly string[];
  /** How often it may be passed on: 0 (default) or 1. */
  readonly delegations?: number;
  /** The grant it was passed on from, and by which organisation. */
  readonly parentId?: string;
  readonly delegatedBy?: string;
}
