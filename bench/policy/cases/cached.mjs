/** Checks of an enforcement point whose decision is in its cache, each question a fresh object, on one core. */
import { AccessCheck, DecisionCache, localPolicySource } from '@cogmesh/enforcement';
import { medianRate } from '../rate.mjs';
import { requestOf, sequence, worldOf } from '../generator.mjs';

const BATCH = 500;
/** The default of COGMESH_DECISION_CACHE_ENTRIES. */
const KEPT = 50_000;
const WARM_UP_BATCHES = 200;

export function measure({ quick, say }) {
  const { engine, asked } = worldOf(10_000);
  const cache = new DecisionCache(KEPT);
  const check = new AccessCheck({ source: localPolicySource(engine), cache, now: () => 1_800_000_000_000 });
  const few = asked.slice(0, 10);
  const below = sequence(1);
  const work = () => {
    let cached = 0;
    for (let i = 0; i < BATCH; i++) cached += check.check(questionOf(requestOf(few[below(few.length)], below))).cached;
    return cached;
  };
  // Ten organisations of a hundred users and three models each: all known after a while.
  for (let i = 0; i < WARM_UP_BATCHES; i++) work();
  const [rate] = medianRate([work], { rounds: quick ? 3 : 11, perCall: BATCH });
  say(`decisions, cached: ${Math.round(rate)} per s`);
  return { cached_per_s: Math.round(rate) };
}

function questionOf({ subject, action, resource }) {
  return {
    subject,
    access: [{ action, resource: `/models/${resource.id}` }],
    expiresAtMs: 1_800_000_060_000,
  };
}
