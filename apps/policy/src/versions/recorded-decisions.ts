import type { RecordedDecision } from '@cogmesh/policy-core';

export interface RecordedRange {
  readonly organisation: string;
  /** Milliseconds since the epoch; `to` is excluded. */
  readonly fromMs: number;
  readonly toMs: number;
}

/** The decision log of one organisation, as decisions that can be made again. Newest first. */
export interface RecordedDecisions {
  read(range: RecordedRange): AsyncIterable<RecordedDecision>;
}
