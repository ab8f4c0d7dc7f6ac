const ROUND_MS = 250;

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

/**
 * Operations of each synchronous work per second of the core it runs on, the median of interleaved rounds; one call does
 * `perCall` operations. The thread's own time is counted, so that whatever else the machine is doing is not.
 */
export function medianRate(works, { rounds, perCall }) {
  const rates = works.map(() => []);
  for (const work of works) rateOf(work);
  for (let round = 0; round < rounds; round++)
    for (const [i, work] of works.entries()) rates[i].push(rateOf(work) * perCall);
  return rates.map(median);
}

function rateOf(work) {
  const started = threadMs();
  let calls = 0;
  while (threadMs() - started < ROUND_MS) {
    work();
    calls++;
  }
  return (calls * 1000) / (threadMs() - started);
}

function threadMs() {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/** The value below which that share of the values is. */
export function quantile(values, share) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}
