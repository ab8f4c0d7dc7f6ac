import { DecisionEngine, parsePolicySet } from '@cogmesh/policy-core';
import { describe, expect, it } from 'vitest';
import { AccessCheck, type AccessQuestion } from './access-check.js';
import { DecisionCache } from './decision-cache.js';
import { permitAccessMax } from './limits.js';
import type { LoggedDecision } from './log/record.js';
import { localPolicySource } from './policy-source.js';
import { RevocationBook } from './revocation-book.js';

const subject = { issuer: 'https://i', sub: 's', organisation: 'acme', roles: ['r'], attributes: {}, tokenId: 't' };
const run = { action: 'read', resource: '/runs/1' };
const refused = (code: string): unknown => expect.objectContaining({ code });

function point(
  policies: unknown = [{ id: 'p', permissions: ['read', 'infer'], resources: ['/runs/*', '/models/**'] }],
) {
  const engine = new DecisionEngine();
  const revocations = new RevocationBook();
  engine.replace({ organisation: 'acme', epoch: 7, document: parsePolicySet(policies), grants: [] });
  const told: LoggedDecision[] = [];
  const source = localPolicySource(engine, { revocations });
  const check = new AccessCheck({ source, cache: new DecisionCache(100), now: () => 1_000 });
  const ask = (more: Partial<AccessQuestion> = {}) => {
    told.length = 0;
    const onDecision = (decision: LoggedDecision) => void told.push(decision);
    return check.check({ subject, access: [run], expiresAtMs: 9_000, onDecision, ...more });
  };
  return { ask, told, engine, revocations };
}

describe('the rights of a permit', () => {
  it('are allowed together, and remembered', () => {
    const { ask, told } = point();
    const access = [run, { action: 'infer', resource: '/models/acme/m' }];
    expect(ask({ access })).toEqual({ cached: 0, epoch: 7 });
    expect(told).toMatchObject([
      { ...run, owner: 'acme', allowed: true, code: 'allowed', rules: ['p'], epoch: 7, cached: false },
      { action: 'infer', resource: '/models/acme/m', owner: 'acme', allowed: true },
    ]);
    expect(ask({ access: [...access, { action: 'read', resource: '/runs/2' }] })).toEqual({ cached: 2, epoch: 7 });
    expect(told.map(({ cached }) => cached)).toEqual([true, true, false]);
  });

  it('are refused with the first that is not allowed, and nothing after it is asked', () => {
    const { ask, told } = point();
    const cancel = { action: 'cancel', resource: '/runs/1' };
    expect(() => ask({ access: [run, cancel, run] })).toThrow(
      expect.objectContaining({
        code: 'permission_denied',
        details: { decision: 'no_matching_allow', ...cancel, rules: [], epoch: 7 },
      }),
    );
    expect(told.map(({ allowed }) => allowed)).toEqual([true, false]);
  });

  it('are one at least, and as many as a permit can name', () => {
    const { ask } = point();
    const many = (count: number) => Array.from({ length: count }, () => run);
    expect(() => ask({ access: [] })).toThrow(refused('invalid_permit'));
    expect(ask({ access: many(permitAccessMax) })).toMatchObject({ epoch: 7 });
    expect(() => ask({ access: many(permitAccessMax + 1) })).toThrow(refused('invalid_permit'));
  });

  it('are no answer while the policies are stale', () => {
    const engine = new DecisionEngine();
    const stale = () => {
      throw new Error('stale');
    };
    const source = { ...localPolicySource(engine), assertFresh: stale };
    const check = new AccessCheck({ source, cache: new DecisionCache(1), now: () => 0 });
    expect(() => check.check({ subject, access: [run], expiresAtMs: 1 })).toThrow('stale');
  });

  it('end with a revocation, before anything is decided', () => {
    const { ask, told, revocations } = point();
    ask();
    const change = { kind: 'token', value: 't', organisation: 'acme', issuer: 'https://i', epoch: 1 } as const;
    revocations.apply({ since: 0, epoch: 1, changes: [{ ...change, untilMs: 1_001, lifted: false }] });
    expect(() => ask()).toThrow(refused('revoked'));
    expect(told).toEqual([]);
    expect(ask({ subject: { ...subject, tokenId: 'other' } })).toMatchObject({ cached: 1 });
  });

  it('need an obligation that is known, or met already', () => {
    const { ask, told } = point([
      { id: 'p', permissions: ['read'], resources: ['/runs/*'], obligations: [{ id: 'o', type: 'captcha' }] },
    ]);
    expect(() => ask()).toThrow(refused('permission_denied'));
    expect(told).toMatchObject([{ allowed: false, code: 'unknown_obligation' }]);
    expect(ask({ met: ['captcha'] })).toMatchObject({ cached: 1 });
  });

  it('of an organisation that is not here are refused, and not remembered', () => {
    const { ask, told, engine } = point();
    const access = [{ action: 'infer', resource: '/models/globex/m' }];
    for (let i = 0; i < 2; i++) {
      expect(() => ask({ access })).toThrow(refused('permission_denied'));
      expect(told).toMatchObject([{ owner: 'globex', code: 'unknown_organisation', cached: false }]);
    }
    engine.replace({ organisation: 'globex', epoch: 1, document: parsePolicySet([]), grants: [] });
    expect(() => ask({ access })).toThrow(refused('permission_denied'));
    expect(told).toMatchObject([{ owner: 'globex', code: 'no_grant' }]);
  });

  it('rest on the attributes that the rules read, and on no others', () => {
    const { ask } = point([{ policy: "attributes.team == 'x'", permissions: ['read'], resources: ['/runs/*'] }]);
    const of = (attributes: Record<string, unknown>) => ask({ subject: { ...subject, attributes } });
    expect(of({ team: 'x' })).toMatchObject({ cached: 0 });
    expect(of({ team: 'x', other: 1 })).toMatchObject({ cached: 1 });
    expect(() => of({ team: 'y' })).toThrow(refused('permission_denied'));
    expect(() => of({})).toThrow(refused('permission_denied'));
  });

  it('in another organisation are decided again when anything is revoked, at home they are not', () => {
    const { ask, engine, revocations } = point();
    const grant = {
      id: 'g',
      grantor: 'globex',
      grantee: 'acme',
      actions: ['infer'],
      resources: ['/models/**'],
      expiresAtMs: 99_000,
    };
    const theirs = parsePolicySet([{ policy: "org_id == 'acme'", permissions: ['infer'], resources: ['/models/**'] }]);
    engine.replace({ organisation: 'globex', epoch: 9, document: theirs, grants: [grant] });
    const abroad = [{ action: 'infer', resource: '/models/globex/m' }];
    expect(ask({ access: abroad })).toEqual({ cached: 0, epoch: 9 });
    expect(ask({ access: [run, ...abroad] })).toEqual({ cached: 1, epoch: 9 });
    const change = { kind: 'token', value: 'another', organisation: 'acme', issuer: 'https://i', epoch: 1 } as const;
    revocations.apply({ since: 0, epoch: 1, changes: [{ ...change, untilMs: 0, lifted: false }] });
    expect(ask({ access: abroad })).toEqual({ cached: 0, epoch: 9 });
    expect(ask({ access: [run] })).toEqual({ cached: 1, epoch: 7 });
  });
});
