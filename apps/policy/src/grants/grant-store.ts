/** Where partner grants are kept that were made by calls, whatever became of them. */
import type { PartnerGrantClaims } from '@cogmesh/identity';

export type GrantState = 'offered' | 'accepted' | 'revoked';

export interface StoredGrant {
  readonly claims: PartnerGrantClaims;
  readonly jws: string;
  readonly state: GrantState;
  readonly createdBy: string;
  /** Milliseconds since the epoch, like every time here. */
  readonly createdAtMs: number;
  readonly acceptedBy: string;
  readonly acceptedAtMs: number | undefined;
  readonly revokedBy: string;
  readonly revokedAtMs: number | undefined;
  readonly revokeReason: string;
}

/** A step that changes what is in force, and so raises the epoch of the grantor's policies. */
export interface GrantStep {
  readonly id: string;
  /** Who took it. */
  readonly by: string;
}

export interface GrantStore {
  /** False when there is a grant with this id, or when the grantor has `max` that are not revoked or over. */
  offer(grant: { claims: PartnerGrantClaims; jws: string; by: string }, max: number): Promise<boolean>;
  find(id: string): Promise<StoredGrant | undefined>;
  /** Those that an organisation gave, holds or passed on, newest first. */
  listOf(organisation: string, limit: number): Promise<StoredGrant[]>;
  /** The grantor's new epoch; undefined when the grant is not on offer, or was delegated from one that is not in force. */
  accept(step: GrantStep): Promise<number | undefined>;
  /** With all that was delegated from it. The grantor's new epoch; undefined when it is revoked already. */
  revoke(step: GrantStep & { readonly reason: string }): Promise<number | undefined>;
}
