/**
 * The tests of one room as mutation testing runs them. One process for all files and the cheap files first, since the first
 * test that notices ends the run; few random decisions. The random tests that take longest are left out: they state again,
 * in general, what the tables and the differential test say, and would run whole for every change that nobody notices.
 */
import { defineConfig } from 'vitest/config';
import { BaseSequencer } from 'vitest/node';

const { COGMESH_MUTATION_ROOM: room = 'policy-core', COGMESH_MUTATION_EXCLUDE: excluded = '' } = process.env;

/** Files whose tests take long, in the order in which they come after all others. */
const late = ['differential', 'tools/lint', 'distribution', 'decision-log'];
const rank = ({ moduleId }) => late.findLastIndex((name) => moduleId.includes(name));

class CheapFirst extends BaseSequencer {
  sort(files) {
    return Promise.resolve([...files].sort((a, b) => rank(a) - rank(b) || (a.moduleId < b.moduleId ? -1 : 1)));
  }
}

export default defineConfig({
  ssr: { resolve: { conditions: ['@cogmesh/source', 'node'] } },
  test: {
    include: [`libs/${room}/{src,test}/**/*.spec.ts`],
    exclude: excluded.split(',').filter((pattern) => pattern !== ''),
    env: { COGMESH_FUZZ_DECISIONS: '1000' },
    isolate: false,
    sequence: { sequencer: CheapFirst },
    testTimeout: 20_000,
    hookTimeout: 60_000,
  },
});
