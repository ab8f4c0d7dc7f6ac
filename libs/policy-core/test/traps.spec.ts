/** What Casbin and its usual matchers get wrong, each as a test that it is not so here. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DecisionEngine, parsePolicySet, type AccessRequest, type PolicySet } from '../src/index.js';
import { compileRule } from '../src/rule.js';
import { RuleIndex } from '../src/rule-index.js';

function engineOf(sets: Record<string, unknown>): DecisionEngine {
  const engine = new DecisionEngine();
  for (const [organisation, set] of Object.entries(sets))
    engine.replace({ organisation, epoch: 1, document: parsePolicySet(set), grants: [] });
  return engine;
}

interface Ask extends Partial<AccessRequest> {
  roles?: string[];
  sub?: string;
  attributes?: Record<string, unknown>;
}

function codeOf(engine: DecisionEngine, ask: Ask): string {
  const { roles = [], sub = 's', attributes = {}, ...rest } = ask;
  const subject = { issuer: 'i', sub, organisation: 'acme', roles, attributes };
  return engine.decide({ subject, action: 'read', resource: { type: 'run', id: '1' }, nowMs: 0, ...rest }).code;
}

const allowIf = (policy: string, effect = 'allow') => ({
  policy,
  permissions: ['read'],
  resources: ['/runs/*'],
  effect,
});

describe('paths', () => {
  const policies = [{ permissions: ['read'], resources: ['/api/v1/reports/*', '/api/v1.0/x'] }];
  const codeAt = (id: string) => codeOf(engineOf({ acme: policies }), { resource: { type: 'path', id } });

  it.each([
    '/api/v1/reports/../admin',
    '/api/v1/reports/%2e%2e/admin',
    '/api/v1/reports//7',
    '/api/v1/reports/7/',
    '/api/v1/reports/./7',
  ])('keyMatch would take %s for a report', (path) => expect(codeAt(path)).toBe('invalid_request'));

  it('keyMatch2 leaves a dot to match anything', () => {
    expect(codeAt('/api/v1.0/x')).toBe('allowed');
    expect(codeAt('/api/v1x0/x')).toBe('no_matching_allow');
  });

  it('regexMatch is not anchored', () => {
    expect(codeAt('/api/v1/reports/7')).toBe('allowed');
    expect(codeAt('/evil/api/v1/reports/7')).toBe('no_matching_allow');
    expect(codeAt('/api/v1/reports')).toBe('no_matching_allow');
  });

  it('regexMatch backtracks without end', () => {
    const slow = engineOf({ acme: [{ permissions: ['read'], resources: [`/x/${'*a'.repeat(40)}*b`] }] });
    expect(codeOf(slow, { resource: { type: 'path', id: `/x/${'a'.repeat(900)}` } })).toBe('no_matching_allow');
    expect(() => parsePolicySet([allowIf("sub.matches('(a+)+$')")])).toThrow(/matches\(\) is not available/);
  });
});

describe('types', () => {
  it.each([
    ['a list for its only item', "attributes.team == 'A'", { team: ['A'] }],
    ['a number for a text', 'attributes.n == 0', { n: '' }],
    ['a truth for a number', 'attributes.n == 1', { n: true }],
    ['null for nothing', 'attributes.n == 0', { n: null }],
    ['a text for a truth', 'attributes.ok', { ok: 'true' }],
  ])('loose equality takes %s', (_, policy, attributes) => {
    expect(codeOf(engineOf({ acme: [allowIf(policy)] }), { attributes })).toBe('no_matching_allow');
  });

  it('two things that are missing are not equal', () => {
    expect(codeOf(engineOf({ acme: [allowIf('attributes.a == context.b')] }), {})).toBe('no_matching_allow');
    expect(codeOf(engineOf({ acme: [allowIf('true'), allowIf('attributes.a == 1', 'deny')] }), {})).toBe(
      'deny_rule_failed',
    );
  });

  it.each([
    'attributes.constructor == attributes.constructor',
    'has(attributes.toString)',
    "context['__proto__'] == context['__proto__']",
  ])('what every object inherits is not there: %s', (policy) =>
    expect(codeOf(engineOf({ acme: [allowIf(policy)] }), {})).toBe('no_matching_allow'),
  );

  it('a function that does not exist is refused when the policy is written', () => {
    expect(() => parsePolicySet([allowIf('isAdmin(sub)')])).toThrow(/isAdmin/);
  });
});

describe('rules that are broken', () => {
  it('one that does not parse is refused, and does not reach the others', () => {
    expect(() => parsePolicySet([allowIf('sub == ')])).toThrow(expect.objectContaining({ code: 'invalid_policy' }));
    const engine = engineOf({ acme: [allowIf('true')] });
    const unread: PolicySet = {
      policies: [{ ...allowIf('sub == '), id: 'p', effect: 'allow' }],
      roles: {},
      grants: [],
    };
    expect(() => engine.replace({ organisation: 'acme', epoch: 2, document: unread, grants: [] })).toThrow(
      /policy "p"/,
    );
    expect(codeOf(engine, {})).toBe('allowed');
  });

  it('one whose condition fails is skipped beside one that allows', () => {
    expect(codeOf(engineOf({ acme: [allowIf('attributes.x == 1'), allowIf('true')] }), {})).toBe('allowed');
  });

  it('an author cannot write into the matcher', () => {
    const engine = engineOf({ acme: [{ id: 'a', permissions: ['read'], resources: ["/runs/')||true||('"] }] });
    expect(codeOf(engine, {})).toBe('no_matching_allow');
    expect(codeOf(engine, { action: "read') || ('1' == '1" })).toBe('invalid_request');
  });
});

describe('enforcers', () => {
  it('a set with no policy, and one that is being replaced, allow nothing', () => {
    const engine = engineOf({ acme: [] });
    expect(codeOf(engine, {})).toBe('no_matching_allow');
    engine.replace({ organisation: 'acme', epoch: 2, document: parsePolicySet([allowIf('true', 'deny')]), grants: [] });
    expect(codeOf(engine, {})).toBe('denied_by_rule');
  });

  it('a role of one organisation is none of another', () => {
    const rules = [allowIf("role == 'admin'")];
    const engine = engineOf({
      acme: { policies: rules, roles: { boss: { inherits: [] }, admin: {} } },
      globex: { policies: rules, roles: { boss: { inherits: ['admin'] }, admin: {} } },
    });
    expect(codeOf(engine, { roles: ['boss'] })).toBe('no_matching_allow');
  });

  it('names that join to the same text are different names', () => {
    const engine = engineOf({ acme: [allowIf("sub == 'a$$b'")] });
    expect(codeOf(engine, { sub: 'a$$b' })).toBe('allowed');
    expect(codeOf(engine, { sub: 'a', resource: { type: 'run', id: 'b$$1' } })).toBe('no_matching_allow');
    const files = readdirSync(new URL('../src/', import.meta.url)).filter((name) => name.endsWith('.ts'));
    expect(files).toContain('rule-enforcer.ts');
    for (const file of files)
      expect(readFileSync(new URL(`../src/${file}`, import.meta.url), 'utf8')).not.toMatch(
        /CachedEnforcer|enforceEx\(/,
      );
  });

  it('every rule that allowed is named, not one', () => {
    const engine = engineOf({ acme: [allowIf('true'), allowIf("sub == 's'")] });
    const subject = { issuer: 'i', sub: 's', organisation: 'acme', roles: [], attributes: {} };
    const decision = engine.decide({ subject, action: 'read', resource: { type: 'run', id: '1' }, nowMs: 0 });
    expect(decision.rules).toEqual(['policy-1', 'policy-2']);
  });

  it('ten thousand rules are not scanned', () => {
    const { policies } = parsePolicySet(
      Array.from({ length: 10_000 }, (_, i) => ({
        permissions: ['read'],
        resources: [`/runs/${String(i)}`, `/x/${String(i)}/*`],
      })),
    );
    const index = new RuleIndex(policies.map((policy, i) => compileRule(policy, i, 'acme')));
    expect(index.find('read', '/runs/77', ['runs', '77']).map(({ id }) => id)).toEqual(['policy-78']);
    expect(index.find('read', '/x/9/y', ['x', '9', 'y']).map(({ id }) => id)).toEqual(['policy-10']);
    expect(index.find('list', '/runs/77', ['runs', '77'])).toEqual([]);
  });
});

describe('cost', () => {
  it('a list longer than the cost was counted with fails', () => {
    const engine = engineOf({ acme: [allowIf("'x' in attributes.tags")] });
    expect(codeOf(engine, { attributes: { tags: ['x'] } })).toBe('allowed');
    expect(codeOf(engine, { attributes: { tags: ['x', ...Array.from({ length: 1_000 }, String)] } })).toBe(
      'no_matching_allow',
    );
  });

  it('a value nested without end fails instead of ending the process', () => {
    const deep = JSON.parse(`${'['.repeat(20_000)}${']'.repeat(20_000)}`) as unknown;
    const engine = engineOf({ acme: [allowIf('true'), allowIf("'x' in attributes.tags", 'deny')] });
    expect(codeOf(engine, { attributes: { tags: deep } })).toBe('deny_rule_failed');
  });
});
