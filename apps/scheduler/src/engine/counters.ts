import { sweepKinds, type SweepKind } from '@cogmesh/scheduling-core';

/** What was refused or changed nothing, since the process started. Nothing is dropped silently: it is counted and logged. */
export class Counters {
  /** Reports from senders or with bodies that are not accepted. */
  refusedReports = 0;
  /** Late, duplicate and unknown reports. */
  ignoredReports = 0;
  /** Events that did not apply to the state they met. */
  ignoredEvents = 0;
  /** What the sweeper had to mend in memory, by what it was. Anything above 0 is a defect. */
  readonly mended: Record<SweepKind, number> = noneMended();

  /** For a person: `place 2, timer 1`; empty when nothing had to be mended. */
  get mendedSummary(): string {
    const found = sweepKinds.filter((kind) => this.mended[kind] > 0);
    return found.map((kind) => `${kind} ${this.mended[kind]}`).join(', ');
  }
}

const noneMended = () => Object.fromEntries(sweepKinds.map((kind) => [kind, 0])) as Record<SweepKind, number>;
