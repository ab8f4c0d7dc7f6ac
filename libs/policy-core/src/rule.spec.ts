import { beforeAll, describe, expect, it } from 'vitest';
import { BindingBook } from './bindings.js';
import { DecisionEngine, parsePolicySet, type AccessRequest } from './index.js';
import { limits } from './limits.js';
import { compileRule, type Rule } from './rule.js';
import { RulesAtPlace } from './rules-at-place.js';

const asked = (roles: string[], action = 'read'): AccessRequest => ({
  subject: { issuer: 'i', sub: 's', organisation: 'acme', roles, attributes: {} },
  action,
  resource: { type: 'run', id: '1' },
  nowMs: 0,
});

function engineOf(set: unknown): DecisionEngine {
  const engine = new DecisionEngine();
  engine.replace({ organisation: 'acme', epoch: 1, document: parsePolicySet(set), grants: [] });
  return engine;
}

const rule = (id: string, more: object = {}) => ({ id, permissions: ['read'], resources: ['/runs/*'], ...more });

describe('the reason of a decision', () => {
  it.each<[string, unknown[], string[], string]>([
    ['one rule', [rule('a')], [], 'policy "a" of acme allows read on /runs/1'],
    ['two rules', [rule('a'), rule('b')], [], 'policies "a", "b" of acme allow read on /runs/1'],
    ['a denial', [rule('a'), rule('b', { effect: 'deny' })], [], 'policy "b" of acme denies read on /runs/1'],
    ['no rule', [], [], 'no policy of acme allows read on /runs/1 to a subject without a role'],
    [
      'no rule for a role',
      [rule('a', { policy: 'false' })],
      ['x', 'y'],
      'no policy of acme allows read on /runs/1 with role x, y',
    ],
    [
      'a rule that failed',
      [rule('skipped', { policy: 'false' }), rule('a', { policy: 'attributes.x == 1' })],
      [],
      'no policy of acme allows read on /runs/1 to a subject without a role (policy "a" was skipped, its condition failed: No such key: x)',
    ],
    [
      'a denial that failed',
      [rule('a', { effect: 'deny', policy: 'attributes.x == 1' })],
      [],
      'policy "a" of acme denies read on /runs/1, because its condition failed: No such key: x',
    ],
  ])('%s', (_, policies, roles, reason) => expect(engineOf(policies).decide(asked(roles)).reason).toBe(reason));

  it('names a few roles of many', () => {
    const roles = Array.from({ length: 20 }, (_, i) => `r${String(i)}`);
    expect(engineOf([]).decide(asked(roles)).reason).toMatch(/with role r0, r1, r2, r3, r4, r5, r6, r7$/);
  });
});

describe('an explanation', () => {
  it('says with which roles a condition was false', () => {
    const { rules } = engineOf([rule('a', { policy: "role == 'x'" })]).explain(asked(['y', 'z']));
    expect(rules[0]).toMatchObject({ outcome: 'skipped', detail: 'condition false with every role (y, z)' });
  });

  it('lists so many rules and no more', () => {
    const many = Array.from({ length: limits.explainedRules + 1 }, (_, i) => rule(`r${String(i)}`));
    expect(engineOf(many).explain(asked([])).rules).toHaveLength(limits.explainedRules);
  });
});

describe('a role binding that fails', () => {
  let engine: DecisionEngine;
  const set = {
    roles: { a: {} },
    bindings: [{ id: 'b', role: 'a', subjects: [{ sub: 's' }], when: 'attributes.x == 1' }],
    policies: [
      rule('allow', { policy: "role == 'x' || 'a' in roles" }),
      rule('deny', { policy: "'b' in roles", effect: 'deny' }),
      rule('deny-all', { policy: "sub == 'other'", effect: 'deny' }),
    ],
  };
  beforeAll(() => void (engine = engineOf(set)));

  it('leaves rules that deny by role in doubt, and no others', () => {
    const { decision, rules } = engine.explain(asked(['y']));
    expect(decision).toMatchObject({ code: 'deny_rule_failed', rules: ['deny'] });
    expect(decision.reason).toContain('binding "b" failed: No such key: x');
    expect(rules.map(({ ruleId, outcome }) => [ruleId, outcome])).toEqual([
      ['allow', 'skipped'],
      ['deny', 'failed'],
      ['deny-all', 'skipped'],
    ]);
  });
});

it('a denial that matches is no doubt, whatever bindings fail', () => {
  const engine = engineOf({
    roles: { a: {} },
    bindings: [{ id: 'b', role: 'a', subjects: [{ sub: 's' }], when: 'attributes.x == 1' }],
    policies: [rule('deny', { policy: "'y' in roles", effect: 'deny' })],
  });
  expect(engine.decide(asked(['y']))).toMatchObject({ code: 'denied_by_rule', rules: ['deny'] });
  expect(engine.decide(asked(['z']))).toMatchObject({ code: 'deny_rule_failed', rules: ['deny'] });
});

describe('bindings', () => {
  const subject = { issuer: '', sub: 's', organisation: 'acme', roles: [], attributes: {} };
  const facts = () => {
    throw new Error('no condition asks');
  };

  it('give each role once to a subject without an issuer', () => {
    const book = new BindingBook([{ id: 'b', role: 'a', subjects: [{ sub: 's' }] }]);
    expect(book.rolesOf(subject, facts)).toEqual({ roles: ['a'], inDoubt: undefined });
    expect(book.rolesOf({ ...subject, sub: 'other' }, facts).roles).toEqual([]);
    expect(book.reads(subject)).toEqual({ attributes: [], context: [], resourceAttributes: [] });
  });

  it('of one issuer are not those of another', () => {
    const subjects = [{ sub: 's', issuer: 'i' }];
    const book = new BindingBook([
      { id: 'b', role: 'a', subjects },
      { id: 'c', role: 'any', subjects: [{ sub: 's' }] },
    ]);
    expect(book.rolesOf({ ...subject, issuer: 'i' }, facts).roles).toEqual(['any', 'a']);
    expect(book.rolesOf({ ...subject, issuer: 'j' }, facts).roles).toEqual(['any']);
  });

  it('whose condition was never checked are refused', () => {
    const unread = [{ id: 'b', role: 'a', subjects: [{ sub: 's' }], when: "role == 'x'" }];
    expect(() => new BindingBook(unread)).toThrow(expect.objectContaining({ code: 'invalid_policy' }));
  });
});

describe('rules at one place', () => {
  const ruleOf = (position: number, permissions: string[]): Rule =>
    compileRule({ id: `r${String(position)}`, permissions, resources: ['/a'], effect: 'allow' }, position, 'acme');

  it.each([3, 16, 40])('are picked by action, each once, also when there are %i', (count) => {
    const place = new RulesAtPlace();
    const rules = Array.from({ length: count }, (_, i) =>
      ruleOf(i, [['read'], ['list', '*'], ['*'], ['list', 'list']][i % 4] ?? []),
    );
    for (const each of rules) for (let glob = 0; glob < 2; glob++) place.add(each);
    for (const action of ['read', 'list', 'infer']) {
      const found: Rule[] = [];
      place.pick(action, found);
      const want = rules.filter(({ permissions }) => permissions.includes(action) || permissions.includes('*'));
      expect(new Set(found), action).toEqual(new Set(want));
    }
  });

  it.each([3, 40])('are each there once, although two of their globs end here, also when there are %i', (count) => {
    for (const action of ['read', '*']) {
      const place = new RulesAtPlace();
      const rules = Array.from({ length: count }, (_, i) => ruleOf(i, [action]));
      for (const each of rules) for (let glob = 0; glob < 2; glob++) place.add(each);
      const found: Rule[] = [];
      place.pick(action, found);
      expect(found).toEqual(rules);
    }
  });

  it('that are none are not found', () => {
    const found: Rule[] = [];
    new RulesAtPlace().pick('read', found);
    expect(found).toEqual([]);
  });
});

describe('lists of actions', () => {
  const listOf = (...permissions: string[]) =>
    compileRule({ id: 'r', permissions, resources: ['/a'], effect: 'allow' }, 0, 'acme').permissions;

  it('are one where they are short and the same', () => {
    expect(listOf('a1', 'b', 'c', 'd')).toBe(listOf('a1', 'b', 'c', 'd'));
    expect(listOf('a1', 'b', 'c', 'd', 'e')).not.toBe(listOf('a1', 'b', 'c', 'd', 'e'));
    expect(listOf('a1', 'b')).not.toEqual(listOf('a1', 'c'));
  });

  it('are kept up to a limit', () => {
    for (let i = 0; i <= limits.sharedLists; i++) listOf(`only${String(i)}`);
    expect(listOf('one more')).toEqual(['one more']);
    expect(listOf('one more')).not.toBe(listOf('one more'));
  });
});
