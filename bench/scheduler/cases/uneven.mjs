/** Two agents, one five times as slow, and every tenth task five times as long: how long tasks take under each strategy. */
import { setTimeout as delay } from 'node:timers/promises';
import { flat } from '../documents.mjs';
import { quantile, rounded } from '../figures.mjs';
import { until, withMesh } from '../world.mjs';

const agents = [{ uneven: { concurrency: 8, ms: 20 } }, { uneven: { concurrency: 8, ms: 100 } }];
const sizes = [1, 1, 1, 1, 1, 1, 1, 1, 1, 5];
/** Tasks come in tens; together the agents serve about 340 of this mix per second. */
const PER_RUN = 10;
const EVERY_MS = 50;

async function under(strategy, runs) {
  return withMesh({ mode: 'all in one', strategy, agents }, async ({ clients, agents: running }) => {
    const work = async (count) => {
      const submitted = new Map();
      const marks = [];
      const asking = [];
      for (let i = 0; i < count; i++) {
        const at = performance.timeOrigin + performance.now();
        const document = flat(PER_RUN, { tool: 'uneven', sizes });
        asking.push(clients.acme.submitRun(document).then((run) => submitted.set(run.id, at)));
        await delay(EVERY_MS);
      }
      await Promise.all(asking);
      await until('all tasks are done', async () => {
        for (const agent of running) marks.push(...(await agent.marks()));
        return marks.length >= count * PER_RUN;
      });
      return { submitted, marks };
    };
    // The first part teaches the scheduler how fast each agent is.
    await work(Math.ceil(runs / 2));
    const { submitted, marks } = await work(runs);
    const busyMs = marks.reduce((sum, mark) => sum + mark[4] - mark[3], 0);
    const spanMs = Math.max(...marks.map((mark) => mark[4])) - Math.min(...marks.map((mark) => mark[3]));
    const slots = agents.reduce((sum, { uneven }) => sum + uneven.concurrency, 0);
    return {
      strategy,
      p95_ms: rounded(
        quantile(
          marks.map((mark) => mark[4] - submitted.get(mark[1])),
          0.95,
        ),
        0,
      ),
      utilisation: rounded(busyMs / (spanMs * slots)),
    };
  });
}

export async function loadAware(runs) {
  const table = [await under('load-aware', runs), await under('round-robin', runs)];
  return { table, ratio: rounded(table[0].p95_ms / table[1].p95_ms) };
}
