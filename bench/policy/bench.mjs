/**
 * Decisions per second of policy-core against Casbin alone with the model its documentation shows (domains, keyMatch2, no
 * index), on the same rules. Ours also checks names, conditions and roles; the peer only matches.
 */
import { newEnforcer, newModelFromString } from 'casbin';
import { DecisionEngine, parsePolicySet } from '@cogmesh/policy-core';
import { compare } from '../src/compare.mjs';

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

const BATCH = 50;

const subject = { issuer: 'https://acme.test', sub: 'ada', organisation: 'acme', roles: ['operator'], attributes: {} };
/** The rule that matches stands in the middle: neither side is flattered by where it looks first. */
const requestOf = (rules) => ({
  subject,
  action: 'infer',
  resource: { type: 'model', id: `acme/model-${rules >> 1}` },
  nowMs: Date.now(),
});

function ourEngine(rules) {
  const engine = new DecisionEngine();
  const policies = Array.from({ length: rules }, (_, i) => ({
    id: `rule-${i}`,
    policy: "role == 'operator'",
    permissions: ['infer'],
    resources: [`/models/acme/model-${i}`],
  }));
  engine.replace({
    organisation: 'acme',
    epoch: 1,
    document: parsePolicySet({ organisation: 'acme', policies }),
    grants: [],
  });
  return engine;
}

async function plainCasbin(rules) {
  const enforcer = await newEnforcer(newModelFromString(model));
  const rows = Array.from({ length: rules }, (_, i) => ['operator', 'acme', `/models/acme/model-${i}`, 'infer']);
  await enforcer.addPolicies(rows);
  return enforcer;
}

export async function* cases() {
  for (const rules of [10, 1_000]) {
    const request = requestOf(rules);
    const path = `/models/${request.resource.id}`;
    const engine = ourEngine(rules);
    const enforcer = await plainCasbin(rules);
    if (!engine.decide(request).allowed) throw new Error('ours denies what it must allow');
    if (!enforcer.enforceSync('operator', 'acme', path, 'infer')) throw new Error('the peer denies');
    yield await compare({
      title: `decisions, ${rules} rules`,
      ours: () => {
        for (let i = 0; i < BATCH; i++) engine.decide(request);
      },
      peer: () => {
        for (let i = 0; i < BATCH; i++) enforcer.enforceSync('operator', 'acme', path, 'infer');
      },
      peerName: 'casbin alone',
      batch: BATCH,
    });
  }
}
