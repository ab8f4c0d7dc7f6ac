/**
 * Two agents, one five times as slow, and every tenth task five times as long, under each strategy: how long tasks take while
 * they arrive at seven tenths of what both can do, and how much of both is used while more waits than they can do.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { flat } from '../documents.mjs';
import { quantile, rounded } from '../figures.mjs';
import { until, withMesh } from '../world.mjs';

const agents = [{ uneven: { concurrency: 8, ms: 50 } }, { uneven: { concurrency: 8, ms: 250 } }];
const sizes = [1, 1, 1, 1, 1, 1, 1, 1, 1, 5];
/** Tasks come in tens; together the agents serve 137 of this mix per second, and 97 arrive. */
const PER_RUN = 10;
const EVERY_MS = 103;
const slots = agents.reduce((sum, { uneven }) => sum + uneven.concurrency, 0);

const document = (count) => flat(count, { tool: 'uneven', sizes });

async function gather(running, count) {
  const marks = [];
  await until('all tasks are done', async () => {
    for (const agent of running) marks.push(...(await agent.marks()));
    return marks.length >= count;
  });
  return marks;
}

/** From the submit to the end of each task, milliseconds. */
async function latencies({ clients, agents: running }, runs) {
  const submitted = new Map();
  const asking = [];
  for (let i = 0; i < runs; i++) {
    const at = performance.timeOrigin + performance.now();
    asking.push(clients.acme.submitRun(document(PER_RUN)).then((run) => submitted.set(run.id, at)));
    await delay(EVERY_MS);
  }
  await Promise.all(asking);
  return (await gather(running, runs * PER_RUN)).map((mark) => mark[4] - submitted.get(mark[1]));
}

/** Share of all slots' time that goes into tasks, from the first start to the last end of one large run. */
async function utilisation({ clients, agents: running }, tasks) {
  await clients.acme.submitRun(document(tasks));
  const marks = await gather(running, tasks);
  const busyMs = marks.reduce((sum, mark) => sum + mark[4] - mark[3], 0);
  const spanMs = Math.max(...marks.map((mark) => mark[4])) - Math.min(...marks.map((mark) => mark[3]));
  return { used: busyMs / (spanMs * slots), spanMs };
}

/** `world` has these two agents. */
async function under(strategy, world, runs) {
  // The first part teaches the scheduler how fast each agent is.
  await latencies(world, Math.ceil(runs / 4));
  const times = await latencies(world, runs);
  const { used, spanMs } = await utilisation(world, runs * PER_RUN);
  return {
    strategy,
    p50_ms: rounded(quantile(times, 0.5), 0),
    p95_ms: rounded(quantile(times, 0.95), 0),
    utilisation: rounded(used),
    all_done_ms: rounded(spanMs, 0),
  };
}

/** The table, and load-aware's 95th percentile as a part of round-robin's. */
export async function loadAware(runs) {
  const table = [];
  for (const strategy of ['load-aware', 'round-robin']) {
    table.push(await withMesh({ mode: 'all in one', strategy, agents }, (world) => under(strategy, world, runs)));
  }
  return { table, ratio: rounded(table[0].p95_ms / table[1].p95_ms) };
}
