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

const SLOTS = standard.length * standard[0].noop.concurrency;

async function grant({ clients }, weights) {
  for (const [name, weight] of Object.entries(weights)) {
    await clients.acme.scheduling.setLimits('organisation', name, { limits: { weight } });
  }
}

const pauseTool = ({ clients }, paused) =>
  clients.acme.scheduling.setLimits('capability', 'tool:acme/noop', { paused });

/**
 * Largest distance of anybody's share from what its weight says, over any 1,000 completions in a row while all of them have
 * work waiting. `tasks` are of the weight 1; each submits in proportion, so that all end together, and the tool is paused
 * until all have submitted, so that all begin together.
 */
async function shareError(world, weights, tasks) {
  const { clients, agents } = world;
  const names = Object.keys(weights);
  const sum = names.reduce((all, name) => all + weights[name], 0);
  await grant(world, weights);
  await marksOf(agents, '');
  await pauseTool(world, true);
  const runs = new Set();
  for (const name of names) runs.add((await clients[name].submitRun(flat(tasks * weights[name], { tool: 'noop' }))).id);
  await pauseTool(world, false);
  const marks = [];
  await until('all are served', async () => {
    for (const agent of agents) marks.push(...(await agent.marks()));
    return marks.filter((mark) => runs.has(mark[1])).length >= tasks * sum;
  });
  await grant(world, Object.fromEntries(names.map((name) => [name, 0])));
  const order = marks.filter((mark) => runs.has(mark[1])).toSorted((a, b) => a[4] - b[4]);
  const from = Math.max(...names.map((name) => order.findIndex((mark) => mark[0] === name)));
  // Whose last tasks are in its agents has nothing waiting any more.
  const to = Math.min(...names.map((name) => order.findLastIndex((mark) => mark[0] === name))) - SLOTS;
  return worstOf(order.slice(from, Math.max(from, to)), (name) => weights[name] / sum, names);
}

function worstOf(contended, shareOf, names) {
  let worst;
  for (let from = 0; from + SHARE_WINDOW <= contended.length; from += 50) {
    const window = contended.slice(from, from + SHARE_WINDOW);
    for (const name of names) {
      const share = window.filter((mark) => mark[0] === name).length / SHARE_WINDOW;
      worst = Math.max(worst ?? 0, Math.abs(share - shareOf(name)));
    }
  }
  return worst;
}

export async function fairness(world, { flood, trickle, shares }) {
  const alone = await burst(world);
  const quiet = await waits(world, trickle);
  const equal = await shareError(world, { small: 1, flood: 1 }, shares);
  const weighted = await shareError(world, { acme: 1, small: 2, flood: 4 }, Math.ceil(shares / 3));
  const ids = await submitFlood(world.clients.flood, flood);
  const crowded = await burst(world);
  const loud = await waits(world, trickle);
  for (const id of ids) await world.clients.flood.cancelRun(id);
  return {
    burst_ratio: rounded(crowded / alone),
    wait_excess_service_times: rounded((loud - quiet) / steady.ms),
    ...shareErrors(equal, weighted),
  };
}

/** Absent where too few completed side by side. */
function shareErrors(equal, weighted) {
  const known = [equal, weighted].filter((error) => error !== undefined);
  if (known.length === 0) return {};
  const each = { equal: equal && rounded(equal, 3), weights_1_2_4: weighted && rounded(weighted, 3) };
  return { share_error: rounded(Math.max(...known), 3), share_errors: each };
}
