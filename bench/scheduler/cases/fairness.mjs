/**
 * One organisation floods at the highest priority while another sends a little at the lowest. The tool takes a fixed time on
 * a known number of slots, so that capacity is known and waiting means something.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { flat } from '../documents.mjs';
import { quantile, rounded } from '../figures.mjs';
import { standard, until } from '../world.mjs';

const BURST = 100;
const SHARE_WINDOW = 1_000;
const steady = standard[0].steady;
const perSecond = (standard.length * steady.concurrency * 1_000) / steady.ms;

const marksOf = async (agents, organisation) =>
  (await Promise.all(agents.map((agent) => agent.marks()))).flat().filter((mark) => mark[0] === organisation);

async function submitFlood(client, tasks) {
  const ids = [];
  for (let left = tasks; left > 0; left -= 10_000) {
    const { id } = await client.submitRun(flat(Math.min(left, 10_000), { tool: 'steady', priority: 9 }));
    ids.push(id);
  }
  return ids;
}

/** From the submit to the last handler's end, milliseconds. */
async function burst({ clients, agents }) {
  await marksOf(agents, '');
  const startedAt = performance.timeOrigin + performance.now();
  await clients.small.submitRun(flat(BURST, { tool: 'steady', priority: 0 }));
  const marks = [];
  await until('the burst is done', async () => {
    marks.push(...(await marksOf(agents, 'small')));
    return marks.length >= BURST;
  });
  return Math.max(...marks.map((mark) => mark[4])) - startedAt;
}

/** 95th percentile from the submit of a single task to its start, at a quarter of capacity, milliseconds. */
async function waits({ clients, agents }, count) {
  await marksOf(agents, '');
  const submitted = new Map();
  const asking = [];
  for (let i = 0; i < count; i++) {
    const at = performance.timeOrigin + performance.now();
    asking.push(
      clients.small.submitRun(flat(1, { tool: 'steady', priority: 0 })).then((run) => submitted.set(run.id, at)),
    );
    await delay(4_000 / perSecond);
  }
  await Promise.all(asking);
  const marks = [];
  await until('the trickle is done', async () => {
    marks.push(...(await marksOf(agents, 'small')));
    return marks.length >= count;
  });
  return quantile(
    marks.map((mark) => mark[3] - submitted.get(mark[1])),
    0.95,
  );
}

/** Largest distance from an equal share of two that always have work, over any 1,000 completions in a row. */
async function shareError({ clients, agents }) {
  await marksOf(agents, '');
  const ids = [];
  for (const client of [clients.small, clients.flood]) {
    ids.push([client, (await client.submitRun(flat(3_000, { tool: 'noop' }))).id]);
  }
  const marks = [];
  await until('both are served', async () => {
    for (const agent of agents) marks.push(...(await agent.marks()));
    return marks.filter((mark) => mark[0] !== 'acme').length >= 6_000;
  });
  const order = marks.filter((mark) => mark[0] !== 'acme').toSorted((a, b) => a[4] - b[4]);
  const both = (name) => order.findLastIndex((mark) => mark[0] === name);
  const contended = order.slice(
    order.findIndex((mark) => mark[0] === 'flood'),
    Math.min(both('small'), both('flood')),
  );
  let worst;
  for (let from = 0; from + SHARE_WINDOW <= contended.length; from += 50) {
    const mine = contended.slice(from, from + SHARE_WINDOW).filter((mark) => mark[0] === 'small').length;
    worst = Math.max(worst ?? 0, Math.abs(mine / SHARE_WINDOW - 0.5));
  }
  return worst;
}

export async function fairness(world, { tasks, trickle }) {
  const alone = await burst(world);
  const quiet = trickle > 0 ? await waits(world, trickle) : undefined;
  const error = await shareError(world);
  const ids = await submitFlood(world.clients.flood, tasks);
  const crowded = await burst(world);
  const loud = trickle > 0 ? await waits(world, trickle) : undefined;
  for (const id of ids) await world.clients.flood.cancelRun(id);
  return {
    burst_ratio: rounded(crowded / alone),
    ...(loud === undefined ? {} : { wait_excess_service_times: rounded((loud - quiet) / steady.ms) }),
    ...(error === undefined ? {} : { share_error: rounded(error, 3) }),
  };
}
