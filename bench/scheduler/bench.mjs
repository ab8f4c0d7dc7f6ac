/**
 * The scheduler, as people get it: the built product, submits over REST with policy checks, task grants on, and two agents
 * that serve a no-op tool over the SDK. Where peers are measured, a round of ours goes before each and one after the last,
 * and medians are reported. A figure that was not measured is absent from the summary.
 *
 * `--case=a,b` measures only these, `--peers=a,b` only these peers, `--queued=n` queues so many at most (default 1,000,000).
 */
import { listOption, option } from '../src/options.mjs';
import { fairness } from './cases/fairness.mjs';
import { grantsAndPolicy } from './cases/grants.mjs';
import { growth } from './cases/growth.mjs';
import { manyQueued, millionAgents } from './cases/million.mjs';
import { recoverAgent, recoverScheduler } from './cases/recovery.mjs';
import { chainSteps, fanOut, submitLarge, sustained } from './cases/steps.mjs';
import { loadAware } from './cases/uneven.mjs';
import { median, rounded } from './figures.mjs';
import { installPeers, measurePeer, peerNames } from './peers.mjs';
import { againstPeers, table } from './table.mjs';
import { idleCpu, withMesh } from './world.mjs';

const LARGE = 10_000;
const inCluster = ['chain', 'fanout', 'throughput', 'peers', 'submit', 'fairness', 'recovery'];
const quickCases = ['chain', 'fanout', 'throughput', 'submit', 'fairness', 'recovery', 'all-in-one', 'cpu'];
const allCases = [...inCluster, 'all-in-one', 'cpu', 'telemetry', 'uneven', 'growth', 'million'];

/** `turns` of `rounds` each; tasks are of one turn. */
const sizes = {
  quick: { turns: 1, rounds: 3, fans: 2, tasks: 6_000, submits: 1, flood: 6_000, trickle: 60, shares: 1_200 },
  full: { turns: 5, rounds: 3, fans: 1, tasks: 10_000, submits: 5, flood: 100_000, trickle: 200, shares: 4_000 },
};
const UNEVEN_RUNS = 100;

/** One object; `say` prints a line for people. */
export async function summary({ quick, say }) {
  const wanted = casesWanted(quick);
  const tell = (name, value) => {
    say(`${name.padEnd(44)} ${typeof value === 'object' ? JSON.stringify(value) : value}`);
    return value;
  };
  const bench = { wanted, size: quick ? sizes.quick : sizes.full, isQuick: quick, result: {}, tell };
  if (inCluster.some((name) => wanted.has(name))) await clusterCases(bench);
  if (wanted.has('all-in-one') && !bench.result.all_in_one) {
    await withMesh({ mode: 'all in one' }, (world) => secondary(bench, { world, key: 'all_in_one' }));
  }
  if (wanted.has('cpu')) bench.result.cpu = tell('processor time of grants and policy', await grantsAndPolicy());
  if (wanted.has('telemetry')) {
    const options = { mode: 'cluster', telemetry: true };
    await withMesh(options, (world) => secondary(bench, { world, key: 'telemetry_on' }));
  }
  await lastCases(bench);
  for (const line of table(bench.result)) say(line);
  return bench.result;
}

function casesWanted(quick) {
  const asked = listOption('--case');
  refuseUnknown('case', asked, allCases);
  refuseUnknown('peer', listOption('--peers'), peerNames);
  return new Set(asked ?? (quick ? quickCases : allCases));
}

function refuseUnknown(what, asked = [], known) {
  const unknown = asked.filter((name) => !known.includes(name));
  if (unknown.length === 0) return;
  console.error(`bench: there is no ${what} ${unknown.join(', ')}; there are ${known.join(', ')}`);
  process.exit(2);
}

async function clusterCases(bench) {
  const { wanted, tell, result } = bench;
  const only = listOption('--peers');
  const peers = wanted.has('peers') ? await installPeers({ only, tell }) : undefined;
  await withMesh({ mode: 'cluster' }, async (world) => {
    tell('cluster: resident memory idle, MB', world.mesh.rss());
    await steps(bench, world, peers);
    if (wanted.has('submit')) {
      result.submit_10k_ms = tell('submit 10,000 tasks, ms', await submitLarge(world, LARGE, bench.size.submits));
    }
    tell('cluster: resident memory after the load, MB', world.mesh.rss());
    if (wanted.has('fairness')) result.fairness = tell('fairness', await fairness(world, bench.size));
    if (wanted.has('recovery')) await recovery(bench, world);
  });
}

/** Chain, fan-out and throughput, in turns with the peers. */
async function steps(bench, world, peers) {
  const { wanted, size, result, tell } = bench;
  const turns = peers ? [...peers.ready, undefined] : Array.from({ length: size.turns }, () => undefined);
  const found = { chain: [], fanout: [], throughput: [] };
  const measure = {
    chain: async () => (await chainSteps(world, size.rounds)).p50,
    fanout: () => fanOut(world, size.fans),
    throughput: async () => {
      const { perSecond, overall, busy } = await sustained(world, size.tasks);
      tell('no-op tasks', { perSecond, overall, busy });
      return perSecond;
    },
  };
  if (peers) {
    result.peers = peers.results;
    tell('cluster: processor time idle, of one core', await idleCpu(world.mesh));
  }
  for (const peer of turns) {
    for (const name of Object.keys(found)) {
      if (peers || wanted.has(name)) found[name].push(await measure[name]());
    }
    if (peer) result.peers[peer[0]] = tell(peer[0], await measurePeer(...peer));
  }
  if (found.chain.length > 0) {
    result.chain_step_ms_p50 = tell('step of a chain of 40, ms', rounded(median(found.chain)));
  }
  if (found.fanout.length > 0) result.fanout_ms = tell('1 -> 1,000 -> 1, ms', rounded(median(found.fanout), 0));
  if (found.throughput.length > 0) {
    result.tasks_per_s = tell('no-op tasks per second', rounded(median(found.throughput), 0));
  }
  if (peers) Object.assign(result, againstPeers(result));
}

/** Last in its cluster, which has one agent less afterwards. */
async function recovery(bench, world) {
  const { wanted, isQuick, result, tell } = bench;
  const scheduler = await recoverScheduler(world);
  const waiting = recoverAgent(world);
  waiting.catch(() => {});
  // Work of the lost agent waits for its lease, and the cluster is idle: time to measure the other way to run.
  if (isQuick && wanted.has('all-in-one')) {
    await withMesh({ mode: 'all in one' }, (other) => secondary(bench, { world: other, key: 'all_in_one' }));
  }
  result.recovery_s = tell('recovery after kill -9, s', { agent: await waiting, scheduler });
}

async function secondary({ size, result, tell }, { world, key }) {
  const title = key.replaceAll('_', ' ');
  result[key] = {
    chain_step_ms_p50: tell(`${title}: step of a chain of 40, ms`, await chainSteps(world, size.rounds)).p50,
    tasks_per_s: tell(`${title}: no-op tasks`, await sustained(world, size.tasks)).perSecond,
  };
}

/** Cases with a world of their own. */
async function lastCases({ wanted, result, tell }) {
  if (wanted.has('uneven')) {
    const { table: rows, ratio } = await loadAware(UNEVEN_RUNS);
    for (const row of rows) tell(`agents of unequal speed, ${row.strategy}`, row);
    result.load_aware = rows;
    result.load_aware_p95_ratio = ratio;
  }
  if (wanted.has('growth')) {
    const { table: levels, never_fell, gain } = await growth();
    result.growth = tell('growth of a pool', { never_fell, gain, levels });
  }
  if (wanted.has('million')) {
    const most = Number(option('--queued') ?? 1_000_000);
    const options = { mode: 'cluster', agents: millionAgents };
    Object.assign(result, await withMesh(options, (world) => manyQueued(world, { most, tell })));
  }
}
