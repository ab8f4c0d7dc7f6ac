/**
 * `cogmesh bench [name…] [--json] [--quick] [--yes]` (and options of a benchmark's own, `--name=value`): runs benchmarks and
 * prints each figure beside its peer of the same run. Rounds are interleaved and the median is reported, because the machine
 * may be busy with other things. A benchmark gives either `cases` (rows of ours beside a peer's) or `summary` (one object).
 * `--quick`: ours only, and less of it.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

const folder = import.meta.dirname;
const names = readdirSync(folder, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && entry.name !== 'node_modules' && entry.name !== 'src')
  .map((entry) => entry.name);

const args = process.argv.slice(2);
const json = args.includes('--json');
const quick = args.includes('--quick');
const say = (text) => (json ? console.error(`  ${text}`) : console.log(`  ${text}`));
const asked = args.filter((arg) => !arg.startsWith('-'));
const unknown = asked.filter((name) => !names.includes(name));
if (unknown.length > 0) {
  console.error(`bench: no benchmark ${unknown.join(', ')}; there are ${names.join(', ')}`);
  process.exit(2);
}

const results = [];
const summaries = {};
for (const name of asked.length > 0 ? asked : names) {
  if (!json) console.log(`\n${name}`);
  const { cases, summary } = await import(join(folder, name, 'bench.mjs'));
  if (summary) {
    summaries[name] = await summary({ quick, say });
    continue;
  }
  for await (const row of cases()) {
    results.push({ bench: name, ...row });
    if (!json) console.log(`  ${line(row)}`);
  }
}
if (json) console.log(JSON.stringify(asObject(), null, 2));

/** One benchmark's summary alone is the whole answer. */
function asObject() {
  if (asked.length === 1 && summaries[asked[0]]) return summaries[asked[0]];
  return { results, ...summaries };
}

function line({ case: title, unit, ours, peer, peerName, ratio }) {
  const figure = (value) => (value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2));
  return `${title.padEnd(44)} ours ${figure(ours).padStart(10)} ${unit}   ${peerName} ${figure(peer).padStart(10)} ${unit}   ratio ${ratio.toFixed(2)}`;
}
