import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { DecisionEngine } from '../decision-engine.js';
import { parsePolicySet } from '../parse-policy-set.js';
import { parseResourcePath } from '../resource-path.js';
import { lintPolicySet } from '../tools/lint.js';
import { governancePolicies, type GovernanceOptions } from './compile-governance.js';

interface Cell {
  stage: string;
  role: string;
  want: 'allow' | 'deny';
  approver?: string;
}
const cells = parse(readFileSync(new URL('../../testdata/governance.yaml', import.meta.url), 'utf8')) as Cell[];

const setOf = (options?: GovernanceOptions) =>
  parsePolicySet({ organisation: 'acme', policies: governancePolicies(options) });
const engine = engineOf();

function engineOf(options?: GovernanceOptions): DecisionEngine {
  const made = new DecisionEngine();
  made.replace({ organisation: 'acme', epoch: 1, document: setOf(options), grants: [] });
  made.replace({ organisation: 'globex', epoch: 1, document: parsePolicySet([]), grants: [] });
  return made;
}

function decide(roles: string[], path: string, { action = 'perform', of = engine, organisation = 'acme' } = {}) {
  const subject = { issuer: 'https://i', sub: 'ada', organisation, roles, attributes: {} };
  return of.decide({ subject, action, resource: parseResourcePath(path), owner: 'acme', nowMs: 0 });
}

describe('the twelve cells', () => {
  it.each(cells)('$stage by a $role: $want $approver', ({ stage, role, want, approver }) => {
    for (const path of [`/stages/${stage}`, `/stages/${stage}/churn-model`]) {
      const { allowed, obligations } = decide([role], path);
      expect(allowed).toBe(want === 'allow');
      const asked = obligations.map(({ type, properties }) => ({ type, ...properties }));
      expect(asked).toEqual(approver === undefined ? [] : [{ type: 'co-approval', stage, roles: [approver] }]);
    }
  });

  it('are all of them', () => expect(new Set(cells.map(({ stage, role }) => `${stage} ${role}`)).size).toBe(12));
});

it('a role that must not wins over a second role that may', () => {
  expect(decide(['data-scientist', 'compliance-officer'], '/stages/model-development')).toMatchObject({
    code: 'denied_by_rule',
    rules: ['governance-model-development-must-not'],
  });
});

it('who holds a role that may needs no approval for another role', () => {
  const both = decide(['data-scientist', 'mlops-engineer'], '/stages/model-development');
  expect(both).toMatchObject({ allowed: true, obligations: [] });
});

it('nobody else may anything: no role, another role, another organisation, another stage', () => {
  expect(decide([], '/stages/deployment').allowed).toBe(false);
  expect(decide(['admin'], '/stages/deployment').allowed).toBe(false);
  expect(decide(['mlops-engineer'], '/stages/retirement').allowed).toBe(false);
  expect(decide(['mlops-engineer'], '/stages/deployment', { organisation: 'globex' }).allowed).toBe(false);
});

it('speaks about the work of a stage, where that is named', () => {
  const work = { deployment: { permissions: ['infer'], resources: ['/tools/acme/deploy-*'] } };
  const of = engineOf({ work });
  const deploy = (role: string) => decide([role], '/tools/acme/deploy-edge', { action: 'infer', of });
  expect(deploy('mlops-engineer')).toMatchObject({ allowed: true, obligations: [] });
  expect(deploy('compliance-officer').obligations).toMatchObject([{ id: 'co-approval' }]);
  expect(deploy('data-scientist').allowed).toBe(false);
  expect(decide(['mlops-engineer'], '/stages/deployment', { of }).allowed).toBe(false);
});

it('is a set in which the linter finds nothing', () => {
  expect(lintPolicySet(setOf())).toEqual([]);
});
