import { describe, expect, it } from 'vitest';
import { explain, mutants, simulateSeed, type SeedReport } from './simulate.js';

/** Of this file alone; `cogmesh sim scheduler` takes any others. */
const seeds = 200;
/** Each mutant has to be found within so many. */
const mostSeeds = 60;

const told = (report: SeedReport): string => (report.violations.length === 0 ? '' : explain(report));

describe('the scheduler', () => {
  it(`keeps every invariant in ${seeds} seeds`, { timeout: 600_000 }, async () => {
    const small = { tasks: Infinity, accepted: 0 };
    for (let seed = 1; seed <= seeds; seed += 1) {
      const report = await simulateSeed(seed);
      expect(told(report)).toBe('');
      small.tasks = Math.min(small.tasks, report.tasks);
      small.accepted += report.accepted;
    }
    expect(small.tasks).toBeGreaterThanOrEqual(200);
    expect(small.accepted).toBeGreaterThan(seeds * 50);
  });
});

describe('a mutant', () => {
  it.each(mutants.map((mutant) => [mutant.says, mutant] as const))(
    'is found: %s',
    { timeout: 300_000 },
    async (_, mutant) => {
      for (let seed = 1; seed <= mostSeeds; seed += 1) {
        const { violations } = await simulateSeed(seed, mutant);
        if (violations.length > 0) return;
      }
      expect.fail(`${mutant.name} went through ${mostSeeds} seeds`);
    },
  );
});

describe('a seed', { timeout: 120_000 }, () => {
  it('repeats', async () => {
    const [first, again, other] = [await simulateSeed(7), await simulateSeed(7), await simulateSeed(8)];
    expect(again).toEqual(first);
    expect(other.traceHash).not.toBe(first.traceHash);
  });

  it('tells how to see it again', async () => {
    const mutant = mutants.find(({ name }) => name === 'acknowledge-first');
    const report = await simulateSeed(3, mutant);
    expect(explain(report, mutant)).toContain('./cogmesh sim scheduler --seed 3 --mutant acknowledge-first');
    expect(explain(report, mutant)).toContain('acknowledged after stored');
  });
});
