import type { Misfire, Overlap } from '@cogmesh/scheduling-core';

/** A schedule as stored. Times are milliseconds since the epoch by the database's clock. */
export interface ScheduleRow {
  readonly id: string;
  readonly organisation: string;
  /** Unique in the organisation. */
  readonly name: string;
  readonly cron: string;
  /** Empty means UTC. */
  readonly timeZone: string;
  /** JSON of the document as it was put. */
  readonly document: string;
  readonly misfire: Misfire;
  readonly maxMisfires: number;
  readonly overlap: Overlap;
  /** 0 or 1. */
  readonly paused: number;
  /** The next time it fires for; null when there is none. */
  readonly nextAt: number | null;
  /** A time that waits for the run before it to end. */
  readonly waitingAt: number | null;
  /** When somebody must look at it; null when nobody needs to. */
  readonly dueAt: number | null;
  /** The newest time it fired for. */
  readonly lastAt: number | null;
  readonly lastRunId: string | null;
  /** JSON of a Failure: why the newest firing made no run. */
  readonly lastError: string | null;
  /** JSON of the Creator. */
  readonly createdBy: string;
  /** Raised by every change, so that two replicas never act on the same state. */
  readonly revision: number;
}

/** Whose rights the runs of a schedule have, as the caller was known when the schedule was put. */
export interface Creator {
  readonly issuer: string;
  readonly sub: string;
  readonly organisation: string;
  readonly roles: readonly string[];
  readonly attributes: Readonly<Record<string, unknown>>;
}
