/**
 * The port through which a decision learns what is true now: attributes of resources, from whoever knows them. An attribute
 * that does not come in time, or is not of its type, is missing; nothing here ever guesses one. One question may be about
 * many resources, and is one call.
 */
import type { InformationNeed } from '@cogmesh/policy-core';

export type Attributes = Readonly<Record<string, unknown>>;

/** What is known of one resource. */
export interface Told {
  readonly attributes: Attributes;
  /** Milliseconds since 1970 from which it no longer counts. */
  readonly untilMs: number;
  /** Why something is missing, one sentence; absent when nobody failed. */
  readonly problem?: string;
}

/** Never rejects: who cannot answer tells a problem instead. */
export interface PolicyInformation {
  /** One answer per need, in order, within the time that the source has. */
  attributesOf(needs: readonly InformationNeed[]): Promise<readonly Told[]>;
}
