/**
 * The engine against the reference evaluator, over random organisations and requests. COGMESH_FUZZ_DECISIONS says how many
 * decisions (default 50,000), COGMESH_FUZZ_SEED where to begin; a difference names the seed of its world.
 */
import { expect, it } from 'vitest';
import type { Decision } from '../src/index.js';
import { referenceDecision, type Answer } from './reference/evaluator.js';
import { Random } from './reference/random.js';
import { engineOf } from './reference/engine.js';
import { randomRequest, randomWorld } from './reference/world.js';

const requestsPerWorld = 50;

// eslint-disable-next-line no-restricted-syntax -- how long the test runs is no setting of the product
const { COGMESH_FUZZ_DECISIONS: wanted = '50000', COGMESH_FUZZ_SEED: firstSeed = '1' } = process.env;

function answerOf({ allowed, code, rules, obligations, grantId }: Decision): Answer {
  return { allowed, code, rules: [...rules], obligations: obligations.map(({ id }) => id), grantId };
}

it('never differs from the reference evaluator', () => {
  const codes = new Map<string, number>();
  const worlds = Math.ceil(Number(wanted) / requestsPerWorld);
  for (let seed = Number(firstSeed); seed < Number(firstSeed) + worlds; seed++) {
    const random = new Random(seed);
    const world = randomWorld(random);
    const engine = engineOf(world);
    for (let i = 0; i < requestsPerWorld; i++) {
      const request = randomRequest(random);
      const want = referenceDecision(world, request);
      const decision = engine.decide(request);
      codes.set(want.code, (codes.get(want.code) ?? 0) + 1);
      if (JSON.stringify(answerOf(decision)) !== JSON.stringify(want))
        expect(answerOf(decision), `seed ${String(seed)}, request ${String(i)}: ${decision.reason}`).toEqual(want);
    }
  }
  for (const code of [
    'allowed',
    'no_matching_allow',
    'denied_by_rule',
    'deny_rule_failed',
    'no_grant',
    'grant_expired',
  ])
    expect(codes.get(code), code).toBeGreaterThan(worlds / 20);
}, 3_600_000);
