/** What the policy service keeps: organisations, their issuers, and every policy set they ever had. */
import type { IssuerRecord } from '@cogmesh/identity';
import type { PartnerGrant, PolicySet } from '@cogmesh/policy-core';

export interface StoredPolicies {
  readonly organisation: string;
  readonly epoch: number;
  /** JSON of the policy set as it was accepted. */
  readonly documentJson: string;
}

/** A policy set that was checked, with its grants verified. */
export interface CheckedPolicies {
  readonly document: PolicySet;
  /** In the order of `document.grants`. */
  readonly grants: readonly PartnerGrant[];
}

export interface PolicyWrite extends CheckedPolicies {
  readonly organisation: string;
  /** 0 accepts any. */
  readonly expectedEpoch: number;
  /** Who wrote it, for the record. */
  readonly writtenBy: string;
  /** What for. */
  readonly note?: string;
}

/** Things that are added where they are not known yet. */
export interface BootstrapWrite {
  readonly organisations: readonly (CheckedPolicies & { readonly name: string })[];
  readonly issuers: readonly IssuerRecord[];
}

export interface PolicyStore {
  /** Organisation -> current epoch. */
  epochs(): Promise<ReadonlyMap<string, number>>;
  /** The current policies of the given organisations. */
  load(organisations: readonly string[]): Promise<StoredPolicies[]>;
  issuers(): Promise<IssuerRecord[]>;
  /** The new epoch. `not_found` for an organisation that does not exist, `conflict` when it is at another epoch than expected. */
  put(write: PolicyWrite): Promise<number>;
  /** All or nothing; what exists stays as it is. Answers the names of what was added. */
  addMissing(write: BootstrapWrite): Promise<{ readonly organisations: string[]; readonly issuers: string[] }>;
}
