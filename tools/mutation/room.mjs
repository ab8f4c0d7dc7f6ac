/**
 * What the mutation tests of every room have in common: Stryker changes one thing of a source file at a time and runs the
 * tests that reach it; a change that no test notices is a rule that no test holds. Works on a copy under `.cogmesh/`,
 * remembers what it found there (`incremental`), and tells nobody: there is no dashboard among the reporters.
 */

/** Below this share of noticed changes, in percent, the run fails. */
const goal = 85;

/**
 * The settings of one room, or of the part of it whose files are `mutate`; `exclude` are the tests left out.
 *
 * `StringLiteral` is left out because nearly every string of these rooms is the sentence of an error or of a reason, written
 * for people, which no test should repeat. Strings that decide, codes, kinds and names of fields, are compared by the tests
 * through the answers. `ignoreStatic` leaves out what runs once while a module loads (tables, limits): such a change needs
 * all tests in a new process.
 */
export function mutationOf(room, { part = room, mutate = [`libs/${room}/src/**/*.ts`], exclude = [] } = {}) {
  process.env.COGMESH_MUTATION_ROOM = room;
  process.env.COGMESH_MUTATION_EXCLUDE = exclude.join(',');
  return {
    packageManager: 'npm',
    testRunner: 'vitest',
    plugins: ['@stryker-mutator/vitest-runner'],
    vitest: { configFile: 'tools/mutation/vitest.config.mjs', related: false },
    mutate: [...mutate, '!**/*.spec.ts', `!libs/${room}/src/index.ts`],
    mutator: { excludedMutations: ['StringLiteral'] },
    ignoreStatic: true,
    coverageAnalysis: 'perTest',
    concurrency: 2,
    timeoutMS: 20_000,
    incremental: true,
    incrementalFile: `.cogmesh/mutation/${part}.json`,
    tempDirName: '.cogmesh/mutation/copies',
    ignorePatterns: [
      '**',
      `!libs/${room}/**`,
      '!tools/mutation/**',
      '!tsconfig*.json',
      '!package.json',
      '!docs/*.json',
      'dist',
      'out-tsc',
    ],
    reporters: ['clear-text', 'progress-append-only', 'json'],
    jsonReporter: { fileName: `.cogmesh/mutation/${part}.report.json` },
    clearTextReporter: { logTests: false, reportTests: false, allowColor: false },
    thresholds: { high: 95, low: goal, break: goal },
    allowConsoleColors: false,
  };
}
