/** The same three pieces of work for every peer. Each gives `chain`, `fan` and `flat`, which resolve when all is done. */
const CHAIN = 40;
const WIDTH = 1_000;
const TASKS = 10_000;
const ROUNDS = 5;

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

/** No further round of the chain begins after this, for a peer that polls. */
const CHAIN_LIMIT_MS = 30_000;

/** Prints what is known after each part as one line; the last line counts. */
export async function measure({ chain, fan, flat }) {
  const result = {};
  const report = (figures) => console.log(JSON.stringify(Object.assign(result, figures)));
  const steps = [];
  const startedAt = performance.now();
  for (let round = 0; round <= ROUNDS; round++) {
    const starts = await chain(CHAIN);
    // The first round warms both sides up.
    if (round > 0) for (let i = 1; i < starts.length; i++) steps.push(starts[i] - starts[i - 1]);
    if (round > 0 && performance.now() - startedAt > CHAIN_LIMIT_MS) break;
  }
  report({ chain_step_ms_p50: Number(median(steps).toFixed(2)) });
  const fans = [];
  for (let round = 0; round < 3; round++) {
    const { firstEnded, lastStarted } = await fan(WIDTH);
    fans.push(lastStarted - firstEnded);
  }
  report({ fanout_ms: Math.round(median(fans)) });
  const ends = (await flat(TASKS)).toSorted((a, b) => a - b);
  const [from, to] = [Math.floor(ends.length * 0.1), Math.floor(ends.length * 0.9)];
  report({ tasks_per_s: Math.round(((to - from) * 1_000) / (ends[to] - ends[from])) });
}

/** Resolves `done` after `count` calls of `note`; the times are of the calls. */
export function gather(count) {
  const times = [];
  const { promise: done, resolve } = Promise.withResolvers();
  return {
    done,
    note: () => {
      times.push(performance.now());
      if (times.length === count) resolve(times);
    },
  };
}
