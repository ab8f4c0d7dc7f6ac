/**
 * `cogmesh sim scheduler [--seeds N] [--from S] [--seed S] [--mutant NAME] [--workers N] [--json]`: runs the deterministic
 * simulation of the scheduler (docs/simulation.md) and ends with 0 when no seed violates an invariant. `--seed` runs one
 * seed and prints what happened last; `--mutants` lists the schedulers with one thing wrong.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { added, emptySummary, explain, mutantNamed, mutants, simulateSeed } from '@cogmesh/scheduling-core/simulation';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    mutant: { type: 'string' },
    mutants: { type: 'boolean', default: false },
    workers: { type: 'string', default: String(Math.min(availableParallelism(), 8)) },
    json: { type: 'boolean', default: false },
  },
});

/** Violations that are told in full; the rest is counted. */
const mostTold = 5;
/** Seeds that a worker takes at once. */
const portion = 5;
const progressMs = 10_000;

const figure = (value) => Math.round(value).toLocaleString('en');

function fail(message) {
  console.error(`sim: ${message}`);
  process.exit(2);
}

function numberOf(name, least = 0) {
  const value = Number(values[name]);
  if (!Number.isSafeInteger(value) || value < least) fail(`--${name} takes a whole number from ${least}`);
  return value;
}

if (positionals.join(' ') !== 'scheduler') fail('what is simulated? there is: scheduler');
const mutant = values.mutant === undefined ? undefined : mutantNamed(values.mutant);
if (values.mutant !== undefined && !mutant) {
  fail(`no mutant ${values.mutant}; there are ${mutants.map(({ name }) => name).join(', ')}`);
}

if (values.mutants) for (const { name, says } of mutants) console.log(`${name.padEnd(20)} ${says}`);
else if (values.seed !== undefined) await one(numberOf('seed'));
else await many();

async function one(seed) {
  const started = Date.now();
  const report = await simulateSeed(seed, mutant);
  const { violations, runs, tasks, accepted, faults, virtualMs, traceHash } = report;
  if (violations.length > 0) process.exitCode = 1;
  if (values.json) return console.log(JSON.stringify({ ...report, faults: Object.fromEntries(faults) }, null, 2));
  if (violations.length > 0) return console.log(explain(report, mutant));
  const befallen = [...faults].map(([kind, count]) => `${kind}${count > 1 ? ` x${count}` : ''}`).join(', ');
  console.log(
    `seed ${seed}: ${runs} runs, ${tasks} tasks, ${accepted} accepted results, ${virtualMs / 1_000} s, no violation`,
  );
  console.log(`faults: ${befallen}\ntrace ${traceHash}, ${Date.now() - started} ms`);
}

async function many() {
  const seeds = numberOf('seeds', 1);
  const from = numberOf('from');
  const started = Date.now();
  let summary = emptySummary;
  let told = 0;
  let next = from;
  const since = () => (Date.now() - started) / 1_000;
  const timer = setInterval(() => {
    console.error(
      `  ${figure(summary.seeds)} of ${figure(seeds)} seeds, ${summary.violated.length} violated, ${figure(since())} s`,
    );
  }, progressMs);
  const take = () => {
    const first = next;
    next = Math.min(from + seeds, first + portion);
    return next > first ? { first, last: next - 1, mutant: values.mutant } : undefined;
  };
  const hear = ({ part, explained }) => {
    summary = added(summary, part);
    for (const text of explained) if ((told += 1) <= mostTold) console.error(`\n${text}\n`);
  };
  await Promise.all(Array.from({ length: Math.max(1, numberOf('workers', 1)) }, () => work(take, hear)));
  clearInterval(timer);
  if (summary.violated.length > 0) process.exitCode = 1;
  const seconds = since();
  if (values.json) console.log(JSON.stringify({ ...summary, mutant: values.mutant ?? null, seconds }, null, 2));
  else console.log(table({ ...summary, seconds }));
}

/** One thread that takes portions until there are none. */
function work(take, hear) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('sim-worker.mjs', import.meta.url));
    const give = () => {
      const next = take();
      if (next) worker.postMessage(next);
      else void worker.terminate().then(() => resolve());
    };
    worker.on('message', (done) => {
      hear(done);
      give();
    });
    worker.on('error', reject);
    give();
  });
}

function table({ seeds, runs, tasks, accepted, virtualSeconds, violated, seconds, faults }) {
  const rows = [
    ['seeds', figure(seeds)],
    ['runs', figure(runs)],
    ['tasks', figure(tasks)],
    ['accepted results', figure(accepted)],
    ['virtual hours', figure(virtualSeconds / 3_600)],
    ...Object.entries(faults).map(([kind, count]) => [`fault: ${kind}`, figure(count)]),
    ['seeds with violations', figure(violated.length)],
    ['seconds', figure(seconds)],
  ];
  const failed = violated.length === 0 ? [] : [`violated: ${violated.slice(0, 20).join(', ')}`];
  return [...rows.map(([name, value]) => `${name.padEnd(28)}${value.padStart(14)}`), ...failed].join('\n');
}
