/** Many seeds in a row, and what they add up to. */
import { mutants, type Mutant } from './mutants.js';
import { simulateSeed, type SeedReport } from './simulate-seed.js';

export { mutants, simulateSeed, type Mutant, type SeedReport };

export interface Summary {
  readonly seeds: number;
  readonly runs: number;
  readonly tasks: number;
  /** Results of agents that counted. */
  readonly accepted: number;
  /** How often each kind of fault befell a world. */
  readonly faults: Readonly<Record<string, number>>;
  /** Virtual seconds. */
  readonly virtualSeconds: number;
  /** Seeds with a violation. */
  readonly violated: readonly number[];
}

export const emptySummary: Summary = {
  seeds: 0,
  runs: 0,
  tasks: 0,
  accepted: 0,
  faults: {},
  virtualSeconds: 0,
  violated: [],
};

export function summarised(report: SeedReport): Summary {
  const { runs, tasks, accepted, faults, virtualMs, violations, seed } = report;
  const violated = violations.length > 0 ? [seed] : [];
  return {
    seeds: 1,
    runs,
    tasks,
    accepted,
    faults: Object.fromEntries(faults),
    virtualSeconds: virtualMs / 1_000,
    violated,
  };
}

export function added(a: Summary, b: Summary): Summary {
  const kinds = new Set([...Object.keys(a.faults), ...Object.keys(b.faults)]);
  return {
    seeds: a.seeds + b.seeds,
    runs: a.runs + b.runs,
    tasks: a.tasks + b.tasks,
    accepted: a.accepted + b.accepted,
    faults: Object.fromEntries([...kinds].sort().map((kind) => [kind, (a.faults[kind] ?? 0) + (b.faults[kind] ?? 0)])),
    virtualSeconds: a.virtualSeconds + b.virtualSeconds,
    violated: [...a.violated, ...b.violated],
  };
}

/** Undefined for a name that no mutant has. */
export const mutantNamed = (name: string): Mutant | undefined => mutants.find((mutant) => mutant.name === name);

/** What is seen in a seed, for a person: each violation, the newest events, and how to see it again. */
export function explain(report: SeedReport, mutant?: Mutant): string {
  const { seed, violations, lastEvents } = report;
  const shown = violations
    .slice(0, 5)
    .map(({ invariant, message, atMs }) => `  ${invariant}, at ${atMs} ms: ${message}`);
  const more = violations.length > shown.length ? [`  and ${violations.length - shown.length} more`] : [];
  const again = `./cogmesh sim scheduler --seed ${seed}${mutant ? ` --mutant ${mutant.name}` : ''}`;
  const events = lastEvents.slice(-25).map((line) => `  ${line.slice(0, 200)}`);
  return [`seed ${seed}:`, ...shown, ...more, 'the last events:', ...events, `again: ${again}`].join('\n');
}
