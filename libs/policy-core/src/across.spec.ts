/** What a grant's ceiling and its times do to a decision about another organisation's resource. */
import { beforeAll, describe, expect, it } from 'vitest';
import { DecisionEngine, parsePolicySet, type AccessRequest, type PartnerGrant } from './index.js';

const allowAll = { id: 'mine', permissions: ['*'], resources: ['/**'] };
const theirs = (id: string, policy: string, more: object = {}) => ({
  id,
  policy: `org_id == 'acme' && ${policy}`,
  permissions: ['read'],
  resources: ['/runs/*'],
  ...more,
});
const grant = (more: Partial<PartnerGrant> = {}): PartnerGrant => ({
  id: 'g',
  grantor: 'globex',
  grantee: 'acme',
  actions: ['read'],
  resources: ['/runs/*'],
  expiresAtMs: 100,
  ...more,
});

function engineOf(policies: unknown, grants: PartnerGrant[], own: unknown = [allowAll]): DecisionEngine {
  const engine = new DecisionEngine();
  engine.replace({ organisation: 'globex', epoch: 4, document: parsePolicySet(policies), grants });
  engine.replace({ organisation: 'acme', epoch: 9, document: parsePolicySet(own), grants: [] });
  return engine;
}

interface Given {
  readonly roles?: string[];
  readonly attributes?: Record<string, unknown>;
  readonly nowMs?: number;
}

function asked({ roles = [], attributes = {}, nowMs = 0 }: Given = {}): AccessRequest {
  const subject = { issuer: 'i', sub: 's', organisation: 'acme', roles, attributes };
  return { subject, action: 'read', resource: { type: 'run', id: '1' }, owner: 'globex', nowMs };
}

describe('a grant without ceiling', () => {
  it('lets the owner decide about the request as it is', () => {
    const engine = engineOf([theirs('p', "role == 'a'", { obligations: [{ id: 'o' }] })], [grant()]);
    const decision = engine.decide(asked({ roles: ['a', 'b'] }));
    expect(decision).toMatchObject({ allowed: true, code: 'allowed', epoch: 4, grantId: 'g', rules: ['p', 'mine'] });
    expect(decision.obligations).toEqual([{ id: 'o' }]);
    expect(decision.reason).toBe(
      'policy "p" of globex allows read on /runs/1; policy "mine" of acme allows read on /runs/1; grant "g"',
    );
    expect(engine.decide(asked({ roles: ['b'] }))).toMatchObject({ code: 'no_matching_allow', grantId: 'g' });
  });

  it('is no right where the caller’s own organisation gives none', () => {
    const engine = engineOf([theirs('p', 'true')], [grant()], []);
    expect(engine.decide(asked())).toMatchObject({ allowed: false, code: 'no_matching_allow', grantId: 'g' });
    expect(engine.decide(asked()).reason).toContain('no policy of acme allows');
  });
});

describe('a ceiling of roles', () => {
  it('gives what its roles would give, and not what others would', () => {
    const engine = engineOf([theirs('a', "role == 'a'"), theirs('b', "role == 'b'")], [grant({ roles: ['a'] })]);
    expect(engine.decide(asked({ roles: ['a'] }))).toMatchObject({ allowed: true, rules: ['a', 'mine'] });
    expect(engine.decide(asked({ roles: ['a', 'b'] }))).toMatchObject({ allowed: true, rules: ['a', 'b', 'mine'] });
    expect(engine.decide(asked({ roles: ['b'] }))).toMatchObject({ allowed: false, code: 'no_grant' });
  });

  it('refuses what only a role beyond it allows', () => {
    const engine = engineOf([theirs('b', "role == 'b'")], [grant({ roles: ['a'] })]);
    const decision = engine.decide(asked({ roles: ['a', 'b'] }));
    expect(decision).toMatchObject({ allowed: false, code: 'no_matching_allow', grantId: 'g' });
    expect(decision.reason).toContain('within the ceiling of grant "g"');
  });

  it('does not open what a role beyond it closes', () => {
    const policies = [theirs('a', "role == 'a'"), theirs('not-b', "role == 'b'", { effect: 'deny' })];
    const engine = engineOf(policies, [grant({ roles: ['a'] })]);
    expect(engine.decide(asked({ roles: ['a', 'b'] }))).toMatchObject({ code: 'denied_by_rule', rules: ['not-b'] });
  });

  it('leaves the attributes as they are', () => {
    const engine = engineOf([theirs('p', "role == 'a' && attributes.x == 1")], [grant({ roles: ['a'] })]);
    expect(engine.decide(asked({ roles: ['a'], attributes: { x: 1 } })).allowed).toBe(true);
  });
});

describe('a ceiling of attributes', () => {
  const policies = [
    theirs('x', 'attributes.x == 1', { obligations: [{ id: 'of-x' }] }),
    theirs('y', 'has(attributes.y) && attributes.y == 1', { obligations: [{ id: 'of-y' }] }),
  ];

  it('gives what its attributes would give, with all that the owner obliges to', () => {
    const engine = engineOf(policies, [grant({ attributes: ['x'] })]);
    const decision = engine.decide(asked({ attributes: { x: 1, y: 1 } }));
    expect(decision).toMatchObject({ allowed: true, rules: ['x', 'y', 'mine'] });
    expect(decision.obligations).toEqual([{ id: 'of-x' }, { id: 'of-y' }]);
  });

  it('refuses what only an attribute beyond it allows', () => {
    const engine = engineOf(policies, [grant({ attributes: ['x'] })]);
    expect(engine.decide(asked({ attributes: { y: 1 } }))).toMatchObject({ code: 'no_matching_allow' });
    expect(engine.decide(asked({ attributes: { x: 2, y: 1 } })).reason).toContain('within the ceiling of grant "g"');
  });

  it('leaves the roles as they are', () => {
    const engine = engineOf([theirs('p', "role == 'a'")], [grant({ attributes: [] })]);
    expect(engine.decide(asked({ roles: ['a'] })).allowed).toBe(true);
  });

  it('adds what the owner obliges to only without the other attributes', () => {
    const bare = [theirs('any', 'true'), theirs('cut', '!has(attributes.y)', { obligations: [{ id: 'of-cut' }] })];
    const decision = engineOf(bare, [grant({ attributes: ['x'] })]).decide(asked({ attributes: { y: 1 } }));
    expect(decision).toMatchObject({ allowed: true, rules: ['any', 'cut', 'mine'], obligations: [{ id: 'of-cut' }] });
  });
});

describe('several grants', () => {
  it('the first within whose ceiling it is allowed is the one', () => {
    const grants = [grant({ id: 'narrow', attributes: [] }), grant({ id: 'wide' })];
    const engine = engineOf([theirs('p', 'attributes.x == 1')], grants);
    expect(engine.decide(asked({ attributes: { x: 1 } }))).toMatchObject({ allowed: true, grantId: 'wide' });
    expect(engine.decide(asked({ attributes: { x: 2 } }))).toMatchObject({ allowed: false, grantId: 'narrow' });
  });

  it('none of them is enough when the caller’s organisation says no', () => {
    const engine = engineOf([theirs('p', 'true')], [grant({ id: 'one', attributes: [] }), grant({ id: 'two' })], []);
    expect(engine.decide(asked())).toMatchObject({ allowed: false, grantId: 'one' });
  });
});

describe('how long a decision holds', () => {
  it.each([
    ['no grant', [], 0, undefined],
    ['until it ends', [grant()], 0, 100],
    ['until another begins', [grant(), grant({ id: 'later', notBeforeMs: 50, expiresAtMs: 200 })], 0, 50],
    ['until the first of two ends', [grant({ expiresAtMs: 80 }), grant()], 0, 80],
    ['until the first of two ends, in another order', [grant(), grant({ expiresAtMs: 80 })], 0, 80],
    ['it has ended', [grant()], 100, undefined],
    ['it begins', [grant({ notBeforeMs: 50 })], 10, 50],
    ['it has begun', [grant({ notBeforeMs: 50 })], 50, 100],
    ['another’s', [grant({ actions: ['list'] })], 0, undefined],
  ])('%s', (_, grants, nowMs, until) => {
    expect(engineOf([theirs('p', 'true')], grants).decide(asked({ nowMs })).validUntilMs).toBe(until);
  });

  it.each([
    [49, 'no_grant'],
    [50, 'allowed'],
    [99, 'allowed'],
    [100, 'grant_expired'],
    [NaN, 'grant_expired'],
  ])('at %d: %s', (nowMs, code) => {
    const decision = engineOf([theirs('p', 'true')], [grant({ notBeforeMs: 50 })]).decide(asked({ nowMs }));
    expect(decision).toMatchObject({ code, cacheable: false });
  });
});

describe('what is read across organisations', () => {
  const own = { policies: [{ ...allowAll, policy: 'attributes.mine == 1 || context.c == 1' }] };
  let engine: DecisionEngine;
  beforeAll(() => void (engine = engineOf([theirs('p', 'attributes.theirs == 1')], [grant()], own)));

  it('is what the rules of both read, in the decision and before it', () => {
    const reads = { attributes: ['mine', 'theirs'], context: ['c'], resourceAttributes: [] };
    expect(engine.needs(asked())).toEqual(reads);
    expect(engine.decide(asked()).reads).toEqual(reads);
  });

  it('is nothing for what is refused unread, and that is not remembered', () => {
    const nothing = { attributes: [], context: [], resourceAttributes: [] };
    for (const wrong of [{ owner: 'initech' }, { action: '' }]) {
      expect(engine.needs({ ...asked(), ...wrong })).toEqual(nothing);
      expect(engine.decide({ ...asked(), ...wrong })).toMatchObject({ reads: nothing, cacheable: false, epoch: 0 });
    }
  });
});

describe('a grant that is refused with its set', () => {
  it.each<[string, Partial<PartnerGrant>, string]>([
    ['given by another', { grantor: 'initech' }, 'given by initech, not by globex'],
    ['given to oneself', { grantee: 'globex' }, 'given to the organisation itself'],
    ['for no glob', { resources: ['/a', '/b//c'] }, '"/b//c" has an empty segment'],
  ])('%s', (_, more, reason) => {
    expect(() => engineOf([], [grant(more)])).toThrow(reason);
  });
});
