/** What was revoked, as it is kept. */
import type { RevocationChange } from '@cogmesh/identity';

/** What a revocation names, within its organisation. */
export type RevokedThing = Pick<RevocationChange, 'kind' | 'organisation' | 'issuer' | 'value'>;

export interface StoredRevocation extends RevocationChange {
  readonly reason: string;
  /** `sub (issuer)`. */
  readonly revokedBy: string;
  /** Milliseconds since 1970. */
  readonly revokedAtMs: number;
}

export interface RevocationWrite extends RevokedThing {
  readonly reason: string;
  readonly revokedBy: string;
  /** 0 means never. */
  readonly untilMs: number;
}

export interface RevocationPage {
  readonly organisation: string;
  readonly limit: number;
  /** Epochs below this one. */
  readonly before: number;
}

export interface RevocationStore {
  /** Changes after the epoch, lifted ones included, in order. */
  since(epoch: number): Promise<RevocationChange[]>;
  /** Those in force, newest first. */
  list(page: RevocationPage): Promise<StoredRevocation[]>;
  /** The revocation, as the list's next epoch. `overloaded` when the organisation has as many as it may. */
  put(write: RevocationWrite): Promise<StoredRevocation>;
  /** As the list's next epoch; undefined when it was not in force. */
  lift(thing: RevokedThing): Promise<RevocationChange | undefined>;
  /** Forgets what has ended, and what was lifted long ago. */
  sweep(): Promise<void>;
}
