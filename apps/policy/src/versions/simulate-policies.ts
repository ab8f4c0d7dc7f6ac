/** Replays the recorded decisions of an organisation under another of its sets. It changes nothing and is no decision. */
import { CandidateEngine, verdictOn, type OrganisationPolicies, type RecordedDecision } from '@cogmesh/policy-core';
import type { CheckedPolicies } from '../policy-store.js';
import { FlipTally } from './flip-tally.js';
import { simulatedFlipsMax, simulationSliceMax } from './limits.js';
import type { RecordedDecisions, RecordedRange } from './recorded-decisions.js';
import type { StoredFlip } from './version-store.js';

export interface SimulationParts {
  readonly recorded: RecordedDecisions;
  readonly liveOf: (organisation: string) => OrganisationPolicies | undefined;
}

export interface Simulation {
  /** Decisions as they were made: a record that stands for several counts as many. */
  readonly replayed: number;
  readonly unchanged: number;
  readonly undecidable: number;
  /** Most frequent first. */
  readonly flips: readonly StoredFlip[];
  readonly flipsToDeny: number;
  readonly flipsToAllow: number;
  readonly flipsNotListed: number;
  /** There were more records than the limit. */
  readonly truncated: boolean;
}

/** `limit`: records looked at, newest first. */
export async function simulatePolicies(
  parts: SimulationParts,
  checked: CheckedPolicies,
  { limit, ...range }: RecordedRange & { readonly limit: number },
): Promise<Simulation> {
  const engine = new CandidateEngine({ organisation: range.organisation, epoch: 1, ...checked }, parts.liveOf);
  const flips = new FlipTally(simulatedFlipsMax);
  const sums = { replayed: 0, unchanged: 0, undecidable: 0 };
  let records = 0;
  for await (const recorded of parts.recorded.read(range)) {
    if (records === limit) return told(sums, flips, true);
    records++;
    if (records % simulationSliceMax === 0) await new Promise(setImmediate);
    replay(engine, recorded, { flips, sums });
  }
  return told(sums, flips, false);
}

type Sums = { replayed: number; unchanged: number; undecidable: number };

function replay(
  engine: CandidateEngine,
  recorded: RecordedDecision,
  { flips, sums }: { readonly flips: FlipTally; readonly sums: Sums },
): void {
  const verdict = verdictOn(engine, recorded);
  const { count, request, atMs } = recorded;
  sums.replayed += count;
  if (typeof verdict === 'string') sums[verdict] += count;
  else flips.add({ request, live: recorded, candidate: verdict.candidate, count, atMs });
}

function told(sums: Sums, flips: FlipTally, truncated: boolean): Simulation {
  const { toDeny: flipsToDeny, toAllow: flipsToAllow, notKept: flipsNotListed } = flips;
  return { ...sums, flips: flips.flips(), flipsToDeny, flipsToAllow, flipsNotListed, truncated };
}
