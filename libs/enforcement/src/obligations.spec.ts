import { DecisionEngine, parsePolicySet, type Obligation } from '@cogmesh/policy-core';
import { expect, it } from 'vitest';
import { enforceable } from './obligations.js';

function decided(obligations: readonly Obligation[], effect = 'allow') {
  const engine = new DecisionEngine();
  const policies = [{ id: 'p', permissions: ['read'], resources: ['/runs'], effect, obligations }];
  engine.replace({ organisation: 'acme', epoch: 1, document: parsePolicySet(policies), grants: [] });
  const subject = { issuer: 'i', sub: 's', organisation: 'acme', roles: [], attributes: {} };
  return engine.decide({ subject, action: 'read', resource: { type: 'run', id: '' }, nowMs: 0 });
}

it.each([
  ['none', [], true],
  ['log by its id', [{ id: 'log' }], true],
  ['log by its type', [{ id: 'o1', type: 'log' }], true],
  ['another', [{ id: 'log' }, { id: 'mark' }], false],
  ['another type under a known id', [{ id: 'log', type: 'mark' }], false],
] as const)('with %s', (_what, obligations, allowed) => {
  const decision = enforceable(decided(obligations));
  expect(decision.allowed).toBe(allowed);
  if (!allowed) expect(decision.code).toBe('unknown_obligation');
});

it('leaves a refusal as it is', () => {
  expect(enforceable(decided([{ id: 'mark' }], 'deny'))).toMatchObject({ allowed: false, code: 'denied_by_rule' });
});

it('with one that was met before, but not with another', () => {
  const decision = decided([{ id: 'second', type: 'co-approval' }]);
  expect(enforceable(decision, ['co-approval']).allowed).toBe(true);
  expect(enforceable(decision, ['log', 'second']).code).toBe('unknown_obligation');
});
