/**
 * Stock Casbin as a second oracle, on what it can express: one organisation after the other in its domains, exact paths,
 * exact actions, a role per rule, at most 50 rules.
 */
import { newEnforcer, newModelFromString } from 'casbin';
import { expect, it } from 'vitest';
import { DecisionEngine, parsePolicySet, parseResourcePath, type Effect } from '../src/index.js';
import { Random } from './reference/random.js';

const model = `
[request_definition]
r = sub, dom, obj, act
[policy_definition]
p = sub, dom, obj, act, eft
[role_definition]
g = _, _, _
[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))
[matchers]
m = g(r.sub, p.sub, r.dom) && r.dom == p.dom && r.obj == p.obj && r.act == p.act
`;

const orgs = ['acme', 'globex'];
const roles = ['reader', 'operator', 'admin'];
const paths = ['/runs', '/runs/1', '/runs/2', '/blobs/1', '/api/v1/reports', '/api/v1xreports'];
const actions = ['read', 'create'];

interface Row {
  role: string;
  org: string;
  path: string;
  action: string;
  effect: Effect;
}

const inheritance: Record<string, string[]> = { admin: ['operator'], operator: ['reader'], reader: [] };

function randomRow(random: Random): Row {
  return {
    role: random.pick(roles),
    org: random.pick(orgs),
    path: random.pick(paths),
    action: random.pick(actions),
    effect: random.chance(75) ? 'allow' : 'deny',
  };
}

async function stockCasbin(rows: readonly Row[], holders: ReadonlyMap<string, string>) {
  const enforcer = await newEnforcer(newModelFromString(model));
  const unique = new Map(rows.map((row) => [JSON.stringify(row), row]));
  for (const { role, org, path, action, effect } of unique.values())
    await enforcer.addPolicy(role, org, path, action, effect);
  for (const org of orgs) {
    for (const [role, inherited] of Object.entries(inheritance))
      for (const each of inherited) await enforcer.addGroupingPolicy(role, each, org);
    for (const [sub, role] of holders) await enforcer.addGroupingPolicy(sub, role, org);
  }
  return enforcer;
}

function ours(rows: readonly Row[]): DecisionEngine {
  const engine = new DecisionEngine();
  for (const organisation of orgs) {
    const policies = rows
      .filter(({ org }) => org === organisation)
      .map(({ role, path, action, effect }) => ({
        policy: `role == '${role}'`,
        permissions: [action],
        resources: [path],
        effect,
      }));
    const table = Object.fromEntries(Object.entries(inheritance).map(([role, inherits]) => [role, { inherits }]));
    const document = parsePolicySet({ organisation, roles: table, policies });
    engine.replace({ organisation, epoch: 1, document, grants: [] });
  }
  return engine;
}

const holders = new Map(roles.map((role) => [`the-${role}`, role]));
const questions = orgs.flatMap((org) =>
  [...holders.keys(), 'nobody'].flatMap((sub) =>
    paths.flatMap((path) => actions.map((action) => ({ org, sub, path, action }))),
  ),
);

it('agrees with stock Casbin', async () => {
  const random = new Random(7);
  const answers = { allowed: 0, refused: 0 };
  for (let world = 0; world < 60; world++) {
    const rows = Array.from({ length: 1 + random.below(50) }, () => randomRow(random));
    const engine = ours(rows);
    const casbin = await stockCasbin(rows, holders);
    for (const { org, sub, path, action } of questions) {
      const role = holders.get(sub);
      const subject = { issuer: 'i', sub, organisation: org, roles: role === undefined ? [] : [role], attributes: {} };
      const { allowed } = engine.decide({ subject, action, resource: parseResourcePath(path), nowMs: 0 });
      answers[allowed ? 'allowed' : 'refused']++;
      const want: unknown = casbin.enforceSync(sub, org, path, action);
      if (allowed !== want) expect.fail(`${sub} of ${org}, ${action} ${path}: casbin says ${String(want)}`);
    }
  }
  expect(answers.allowed).toBeGreaterThan(500);
  expect(answers.refused).toBeGreaterThan(500);
});
