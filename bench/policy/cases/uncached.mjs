/** Decisions of the engine alone, each request a fresh object, on one core; stock Casbin with the rules it can express, and Cedar. */
import { newEnforcer, newModelFromString } from 'casbin';
import { medianRate } from '../rate.mjs';
import { requestOf, sequence, setOf, sizes, worldOf } from '../generator.mjs';
import * as cedar from '../peers/cedar.mjs';

const BATCH = 500;

function decider({ engine, asked }) {
  const below = sequence(1);
  return () => {
    for (let i = 0; i < BATCH; i++)
      if (!engine.decide(requestOf(asked[below(asked.length)], below)).allowed)
        throw new Error('the engine denies what it must allow');
  };
}

export async function measure({ quick, say }) {
  const worlds = sizes.map((size) => ({ size, world: worldOf(size) }));
  const rates = medianRate(
    worlds.map(({ world }) => decider(world)),
    { rounds: quick ? 3 : 11, perCall: BATCH },
  );
  const uncached = Object.fromEntries(sizes.map((size, i) => [String(size), Math.round(rates[i])]));
  for (const size of sizes) say(`decisions, uncached, ${size} policies: ${uncached[size]} per s`);
  return { uncached_per_s: uncached, ...(quick ? {} : { peers: await peersOf(say) }) };
}

async function peersOf(say) {
  const casbin = await stockCasbin(say);
  try {
    return { casbin, cedar: cedarWasm(await cedar.install(), say) };
  } catch (error) {
    say(`Cedar is absent: ${error.message}`);
    return { casbin };
  }
}

/** The same policies and requests, without an index of the organisation; its conditions are its own. */
function cedarWasm(engine, say) {
  const perSecond = {};
  for (const size of sizes.filter((each) => each <= 10_000)) {
    const groups = Math.max(1, Math.floor(size / 3 / Math.ceil(size / 1_000)));
    const sets = Array.from({ length: Math.ceil(size / 1_000) }, (_, i) => setOf(`organisation-${i}`, groups, 0));
    const below = sequence(1);
    const next = () => requestOf([sets[below(sets.length)].policies[0].resources[0].split('/')[2], groups], below);
    const [rate] = medianRate([cedar.decider(engine, sets, next)], { rounds: 3, perCall: 1 });
    perSecond[String(size)] = Math.round(rate);
    say(`Cedar, ${size} policies: ${perSecond[size]} per s`);
  }
  return { uncached_per_s: perSecond };
}

const model = `
[request_definition]
r = sub, dom, obj, act
[policy_definition]
p = sub, dom, obj, act
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.sub == p.sub && r.dom == p.dom && keyMatch2(r.obj, p.obj) && r.act == p.act
`;

/** The model its documentation shows, without conditions; the rule that matches stands in the middle. */
async function stockCasbin(say) {
  const perSecond = {};
  for (const size of sizes.filter((each) => each <= 10_000)) {
    const enforcer = await newEnforcer(newModelFromString(model));
    await enforcer.addPolicies(
      Array.from({ length: size }, (_, i) => ['operator', `organisation-${i % 1_000}`, `/models/m${i}/large`, 'infer']),
    );
    const asked = ['operator', `organisation-${(size >> 1) % 1_000}`, `/models/m${size >> 1}/large`, 'infer'];
    const once = () => {
      if (!enforcer.enforceSync(...asked)) throw new Error('Casbin denies what it must allow');
    };
    const [rate] = medianRate([once], { rounds: 3, perCall: 1 });
    perSecond[String(size)] = Math.round(rate);
    say(`stock Casbin, ${size} policies: ${perSecond[size]} per s`);
  }
  return { uncached_per_s: perSecond };
}
