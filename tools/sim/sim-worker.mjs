/** Simulates portions of seeds, one after the other, and tells what came of each. */
import { parentPort } from 'node:worker_threads';
import {
  added,
  emptySummary,
  explain,
  mutantNamed,
  simulateSeed,
  summarised,
} from '@cogmesh/scheduling-core/simulation';

parentPort.on('message', async ({ first, last, mutant: name }) => {
  const mutant = name === undefined ? undefined : mutantNamed(name);
  let part = emptySummary;
  const explained = [];
  for (let seed = first; seed <= last; seed += 1) {
    const report = await simulateSeed(seed, mutant);
    part = added(part, summarised(report));
    if (report.violations.length > 0) explained.push(explain(report, mutant));
  }
  parentPort.postMessage({ part, explained });
});
