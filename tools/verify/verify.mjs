/**
 * Everything CI runs, in order, stopping at the first failure: format, types, lint and boundaries, contracts, build,
 * generated files, unit tests, simulation, component tests, e2e, unused exports. `verify.mjs NAME…` runs only those steps;
 * `mutation-PART` runs only when it is named: it takes from minutes to the better part of an hour.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');
const bin = join(root, 'node_modules/.bin');
const reports = mkdtempSync(join(tmpdir(), 'cogmesh-verify-'));
const environment = {
  ...process.env,
  PATH: `${bin}:${process.env.PATH}`,
  NX_DAEMON: 'false',
  NX_TUI: 'false',
  // Tests must not depend on who else traces.
  OTEL_SDK_DISABLED: undefined,
};

/** What `npm run generate` writes: unchanged by a second run, or the checkout is stale. */
const generated = ['libs/contracts/src/gen', 'docs/configuration.md', 'docs/openapi.json'];

function run(file, ...args) {
  const { status } = spawnSync(join(bin, file), args, { cwd: root, stdio: 'inherit', env: environment });
  if (status !== 0) throw new Error(`${file} ${args.join(' ')} ended with status ${status}`);
}

const vitest = (name, ...args) =>
  run(
    'vitest',
    'run',
    ...args,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${join(reports, `${name}.json`)}`,
  );

function digest(path) {
  if (!existsSync(path)) return '';
  if (!statSync(path).isDirectory()) return createHash('sha256').update(readFileSync(path)).digest('hex');
  return readdirSync(path)
    .sort()
    .map((name) => name + digest(join(path, name)))
    .join();
}

const digests = () => generated.map((path) => digest(join(root, path)));

function generate() {
  const before = digests();
  run('node', 'tools/generate/generate.mjs');
  const stale = generated.filter((_, i) => before[i] !== digests()[i]);
  if (stale.length > 0)
    throw new Error(`generated files were stale, now rewritten: ${stale.join(', ')}. Review and commit them.`);
}

const steps = {
  format: () => run('prettier', '--check', '--log-level=warn', '.'),
  types: () => run('tsc', '-b', 'tsconfig.json'),
  lint: () => {
    run('nx', 'show', 'projects', '--json');
    run('nx', 'sync:check');
    run('eslint', '.', '--max-warnings=0', '--cache', '--cache-location', 'node_modules/.cache/eslint/');
  },
  contracts: () => run('buf', 'lint'),
  build: () => run('tsc', '-b', 'tsconfig.build.json'),
  generate,
  unit: () => vitest('unit'),
  sim: () => run('node', 'tools/sim/sim.mjs', 'scheduler', '--seeds', '1000'),
  component: () => vitest('component', '--config', 'vitest.component.config.ts'),
  e2e: () => vitest('e2e', '--config', 'vitest.e2e.config.ts'),
  unused: () => run('knip', '--no-config-hints'),
};

/** Steps that run only when they are named. */
const mutated = ['policy-core', 'policy-tools', 'enforcement', 'enforcement-log'];
const onRequest = Object.fromEntries(
  mutated.map((part) => [`mutation-${part}`, () => run('stryker', 'run', `tools/mutation/${part}.mjs`)]),
);

/** Sums of all reports, and the closing line that says so. */
function closingLine() {
  const counts = readdirSync(reports).map((name) => JSON.parse(readFileSync(join(reports, name), 'utf8')));
  const sum = (field) => counts.reduce((total, report) => total + report[field], 0);
  return `${sum('numPassedTests')} passed, ${sum('numFailedTests')} failed`;
}

const chosen = process.argv.slice(2).filter((arg) => !arg.startsWith('-'));
const all = { ...steps, ...onRequest };
const unknown = chosen.filter((name) => !(name in all));
if (unknown.length > 0) {
  console.error(`verify: no step ${unknown.join(', ')}; the steps are ${Object.keys(all).join(', ')}`);
  process.exit(2);
}

const times = [];
for (const [name, step] of Object.entries(all)) {
  if (chosen.length > 0 ? !chosen.includes(name) : name in onRequest) continue;
  const started = Date.now();
  console.log(`\n── ${name}`);
  try {
    step();
  } catch (error) {
    console.error(`\nverify: ${name} failed: ${error.message}`);
    console.log(closingLine());
    process.exit(1);
  }
  times.push(`${name} ${((Date.now() - started) / 1000).toFixed(0)} s`);
}
console.log(`\nverify: all green (${times.join(', ')})`);
console.log(closingLine());
