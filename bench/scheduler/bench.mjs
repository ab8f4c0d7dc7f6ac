/**
 * The scheduler, as people get it: the built product, submits over REST with policy checks, task grants on, and two agents
 * that serve a no-op tool over the SDK. A figure that was not measured is absent from the summary.
 */
import { chainSteps, fanOut, submitLarge, sustained } from './cases/steps.mjs';
import { fairness } from './cases/fairness.mjs';
import { loadAware } from './cases/uneven.mjs';
import { recoverAgent, recoverScheduler } from './cases/recovery.mjs';
import { measurePeers } from './peers.mjs';
import { withMesh } from './world.mjs';

const LARGE = 10_000;
const sizes = {
  quick: { rounds: 2, tasks: 6_000, submits: 1, flood: 20_000, trickle: 0 },
  full: { rounds: 10, tasks: 40_000, submits: 5, flood: 100_000, trickle: 100, runs: 100 },
};

/** One object; `say` prints a line for people. */
export async function summary({ quick, only, say }) {
  const size = quick ? sizes.quick : sizes.full;
  const result = {};
  await withMesh({ mode: 'cluster' }, (world) => inCluster(world, size, { result, say }));
  await withMesh({ mode: 'all in one' }, async (world) => {
    result.all_in_one = {
      chain_step_ms_p50: tell(say, 'all in one: step of a chain of 40, ms', await chainSteps(world, size.rounds)).p50,
      tasks_per_s: tell(say, 'all in one: no-op tasks', await sustained(world, size.tasks)).perSecond,
    };
  });
  if (quick) return result;
  await withMesh({ mode: 'cluster', telemetry: true }, async (world) => {
    result.telemetry_on = {
      chain_step_ms_p50: tell(say, 'telemetry on: step of a chain of 40, ms', await chainSteps(world, size.rounds)).p50,
      tasks_per_s: tell(say, 'telemetry on: no-op tasks', await sustained(world, size.tasks)).perSecond,
    };
  });
  const uneven = await loadAware(size.runs);
  for (const row of uneven.table) tell(say, `agents of unequal speed, ${row.strategy}`, row);
  result.load_aware_p95_ratio = uneven.ratio;
  result.peers = await measurePeers({ only, say: (name, value) => tell(say, name, value) });
  return result;
}

async function inCluster(world, size, { result, say }) {
  const { mesh } = world;
  tell(say, 'cluster: resident memory idle, MB', mesh.rss());
  result.chain_step_ms_p50 = tell(say, 'step of a chain of 40, ms', await chainSteps(world, size.rounds)).p50;
  result.fanout_ms = tell(say, '1 -> 1,000 -> 1, ms', await fanOut(world, size.rounds));
  result.submit_10k_ms = tell(say, 'submit 10,000 tasks, ms', await submitLarge(world, LARGE, size.submits));
  result.tasks_per_s = tell(say, 'no-op tasks', await sustained(world, size.tasks)).perSecond;
  tell(say, 'cluster: resident memory after the load, MB', mesh.rss());
  result.fairness = tell(say, 'fairness', await fairness(world, { tasks: size.flood, trickle: size.trickle }));
  const scheduler = await recoverScheduler(world);
  const agent = await recoverAgent(world);
  result.recovery_s = tell(say, 'recovery after kill -9, s', { agent, scheduler });
}

function tell(say, name, value) {
  say(`${name.padEnd(48)} ${typeof value === 'object' ? JSON.stringify(value) : value}`);
  return value;
}
