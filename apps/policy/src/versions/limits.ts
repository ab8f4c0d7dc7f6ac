/** Limits of versions, candidates and simulations; versions.proto repeats them for callers. */
import { CogmeshError } from '@cogmesh/errors';

/** Distinct flips kept of one candidate; those beyond are counted only. */
export const flipsKeptMax = 200;

/** Versions in one answer. */
export const versionPageMax = 200;
export const versionPageDefault = 50;

/** Characters of what a writer says a version is for. */
export const noteMaxChars = 500;

/** Live decisions that wait to be compared with candidates; what comes beyond is counted as skipped. */
export const shadowQueueMax = 10_000;

/** Comparisons made before other work has its turn. */
export const shadowSliceMax = 64;

/** Recorded decisions replayed by one simulation. */
export const simulatedMax = 100_000;
export const simulatedDefault = 10_000;

/** Distinct flips listed by one simulation. */
export const simulatedFlipsMax = 1_000;

/** Comparisons of a simulation before other work has its turn. */
export const simulationSliceMax = 256;

export function assertNote(note: string): void {
  if (note.length > noteMaxChars)
    throw new CogmeshError('invalid_argument', `a note has at most ${String(noteMaxChars)} characters`);
}
