import { beforeAll, describe, expect, it } from 'vitest';
import { DecisionEngine, parsePolicySet, type AccessRequest } from './index.js';

const request = (more: Partial<AccessRequest> = {}, roles: string[] = ['reader']): AccessRequest => ({
  subject: { issuer: 'i', sub: 's', organisation: 'acme', roles, attributes: {} },
  action: 'read',
  resource: { type: 'run', id: '1' },
  nowMs: 0,
  ...more,
});

function engineWith(policies: unknown, epoch = 1): DecisionEngine {
  const engine = new DecisionEngine();
  engine.replace({ organisation: 'acme', epoch, document: parsePolicySet(policies), grants: [] });
  return engine;
}

const readers = [{ id: 'readers', policy: "role == 'reader'", permissions: ['read'], resources: ['/runs/*'] }];

describe('replace and remove', () => {
  it('swaps the rules in whole and answers with the new epoch', () => {
    const engine = engineWith(readers);
    expect(engine.decide(request())).toMatchObject({ allowed: true, epoch: 1 });
    engine.replace({ organisation: 'acme', epoch: 2, document: parsePolicySet([]), grants: [] });
    expect(engine.decide(request())).toMatchObject({ allowed: false, epoch: 2 });
    expect(engine.epochOf('acme')).toBe(2);
  });

  it('refuses an older epoch and keeps what it has', () => {
    const engine = engineWith(readers, 5);
    const replace = () => engine.replace({ organisation: 'acme', epoch: 4, document: parsePolicySet([]), grants: [] });
    expect(replace).toThrow(expect.objectContaining({ code: 'conflict' }));
    expect(engine.decide(request()).allowed).toBe(true);
  });

  it('takes the epoch that it holds once more', () => {
    const engine = engineWith(readers, 5);
    engine.replace({ organisation: 'acme', epoch: 5, document: parsePolicySet([]), grants: [] });
    expect(engine.decide(request())).toMatchObject({ allowed: false, code: 'no_matching_allow', epoch: 5 });
  });

  it('lists the organisations by name', () => {
    const engine = engineWith(readers);
    for (const organisation of ['zeta', 'beta'])
      engine.replace({ organisation, epoch: 1, document: parsePolicySet([]), grants: [] });
    expect(engine.organisations()).toEqual(['acme', 'beta', 'zeta']);
  });

  it('changes nothing when a grant is not the organisation its own', () => {
    const engine = engineWith(readers);
    const grant = {
      id: 'g',
      grantor: 'globex',
      grantee: 'acme',
      actions: ['read'],
      resources: ['/runs/*'],
      expiresAtMs: 9,
    };
    const replace = () =>
      engine.replace({ organisation: 'acme', epoch: 2, document: parsePolicySet([]), grants: [grant] });
    expect(replace).toThrow(expect.objectContaining({ code: 'invalid_policy' }));
    expect(engine.epochOf('acme')).toBe(1);
    expect(engine.decide(request()).allowed).toBe(true);
  });

  it('refuses everything of an organisation that was removed', () => {
    const engine = engineWith(readers);
    engine.remove('acme');
    expect(engine.decide(request())).toMatchObject({ allowed: false, code: 'unknown_organisation', epoch: 0 });
    expect(engine.organisations()).toEqual([]);
  });
});

describe('explain', () => {
  let engine: DecisionEngine;
  const policies = [
    ...readers,
    { id: 'other-action', permissions: ['cancel'], resources: ['/runs/*'] },
    { id: 'other-place', permissions: ['read'], resources: ['/blobs/*'] },
    { id: 'unrelated', permissions: ['serve'], resources: ['/tools/*'] },
    { id: 'broken', policy: 'attributes.x == 1', permissions: ['read'], resources: ['/runs/*'] },
    { id: 'deny-first', effect: 'deny', policy: "role == 'blocked'", permissions: ['read'], resources: ['/runs/*'] },
    { id: 'deny-second', effect: 'deny', policy: "sub == 's'", permissions: ['read'], resources: ['/runs/*'] },
  ];
  beforeAll(() => void (engine = engineWith(policies)));

  it('names what every rule near the request did, also those after the one that decided', () => {
    const { decision, rules } = engine.explain(request({}, ['reader', 'blocked']));
    expect(decision).toMatchObject({ code: 'denied_by_rule', rules: ['deny-first'] });
    expect(rules.map(({ ruleId, outcome }) => [ruleId, outcome])).toEqual([
      ['readers', 'matched'],
      ['other-action', 'skipped'],
      ['other-place', 'skipped'],
      ['broken', 'failed'],
      ['deny-first', 'matched'],
      ['deny-second', 'matched'],
    ]);
    const details = Object.fromEntries(rules.map(({ ruleId, detail }) => [ruleId, detail]));
    expect(details['readers']).toBe('condition true with role "reader"');
    expect(details['other-action']).toContain('action "read" is not in its permissions (cancel)');
    expect(details['other-place']).toContain('/runs/1 is not under /blobs/*');
    expect(details['broken']).toContain('No such key: x');
  });

  it('carries the condition and the organisation', () => {
    const [first] = engine.explain(request()).rules;
    expect(first).toMatchObject({ organisation: 'acme', condition: "role == 'reader'", effect: 'allow' });
  });
});

describe('explain, across organisations', () => {
  let engine: DecisionEngine;
  const theirs = [
    { id: 'theirs', policy: "org_id == 'acme'", permissions: ['read'], resources: ['/runs/*'] },
    { id: 'their-admins', policy: "role == 'admin'", permissions: ['read'], resources: ['/runs/*'] },
  ];
  beforeAll(() => {
    engine = engineWith(readers);
    engine.replace({ organisation: 'globex', epoch: 1, document: parsePolicySet(theirs), grants: [] });
  });

  it('names the rules of both, the owner first', () => {
    const { decision, rules } = engine.explain(request({ owner: 'globex' }));
    expect(decision.code).toBe('no_grant');
    expect(rules.map(({ organisation, ruleId, outcome }) => [organisation, ruleId, outcome])).toEqual([
      ['globex', 'theirs', 'matched'],
      ['globex', 'their-admins', 'skipped'],
      ['acme', 'readers', 'matched'],
    ]);
    expect(rules[1]?.detail).toContain('without org_id or issuer');
  });

  it('names no rule for an organisation that is not here', () => {
    expect(engine.explain(request({ owner: 'initech' }))).toMatchObject({
      decision: { code: 'unknown_organisation' },
      rules: [],
    });
  });
});

describe('what a decision may be remembered by', () => {
  it.each([
    ["attributes.a == 'x'", true],
    ["context.a == 'x'", false],
    ["resource.attributes.a == 'x'", false],
  ])('%s: cacheable %s', (policy, cacheable) => {
    const engine = engineWith([{ policy, permissions: ['read'], resources: ['/runs/*'] }]);
    const subject = { ...request().subject, attributes: { a: 'x' } };
    const given = { subject, context: { a: 'x' }, resourceAttributes: { a: 'x' } };
    expect(engine.decide(request(given))).toMatchObject({ allowed: true, cacheable });
  });
});

describe('requests that cannot be judged', () => {
  it('repeats little of what a stranger sent', () => {
    const long = 'x'.repeat(5_000);
    for (const wrong of [{ action: long }, { owner: long }, { resource: { type: 'path', id: long } }]) {
      const { allowed, reason } = engineWith(readers).decide(request(wrong));
      expect(allowed).toBe(false);
      expect(reason).toContain('xxxxx');
      expect(reason.length).toBeLessThan(300);
    }
  });

  it('lets a defect of the caller be seen instead of calling it a refusal', () => {
    const wrong = { ...request(), resource: undefined } as unknown as AccessRequest;
    expect(() => engineWith(readers).decide(wrong)).toThrow(TypeError);
  });

  it('refuses more roles than the limit instead of dropping some', () => {
    const roles = Array.from({ length: 300 }, (_, i) => `r${String(i)}`);
    expect(engineWith(readers).decide(request({}, ['reader', ...roles]))).toMatchObject({
      allowed: false,
      code: 'invalid_request',
    });
  });

  it('lets a stranger neither stall nor crash a decision', () => {
    const engine = engineWith([{ permissions: ['read'], resources: ['/x/*a*a*a*a*a*a*a*b'] }]);
    const id = `/x/${'a'.repeat(900)}`;
    const started = performance.now();
    expect(engine.decide(request({ resource: { type: 'path', id } })).allowed).toBe(false);
    expect(performance.now() - started).toBeLessThan(200);
  });
});
