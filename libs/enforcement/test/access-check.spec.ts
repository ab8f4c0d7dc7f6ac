/** With a cache and without one: the same answers, whatever changes between two questions. */
import { DecisionEngine, parsePolicySet, type PartnerGrant } from '@cogmesh/policy-core';
import type { OutsideSubject } from '@cogmesh/rpc';
import { CogmeshError } from '@cogmesh/errors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AccessCheck, DecisionCache, localPolicySource, RevocationBook, type AccessQuestion } from '../src/index.js';
import type { RevocationChange } from '@cogmesh/identity';

const conditions = [
  undefined,
  "role == 'a'",
  "attributes.team == 'x'",
  "has(attributes.team) && attributes.team == 'y'",
  "sub == 's1'",
  "org_id == 'globex'",
  "has(context.net) && context.net == 'n'",
];
const rule = fc.record({
  policy: fc.constantFrom(...conditions),
  permissions: fc.constantFrom(['read'], ['infer'], ['*']),
  resources: fc.constantFrom(['/runs/*'], ['/models/acme/*'], ['/**']),
  effect: fc.constantFrom('allow', 'allow', 'allow', 'deny'),
});
const document = fc.array(rule, { maxLength: 4 });

const question = fc.record({
  organisation: fc.constantFrom('acme', 'globex'),
  sub: fc.constantFrom('s1', 's2'),
  roles: fc.constantFrom([], ['a'], ['b']),
  attributes: fc.constantFrom({}, { team: 'x' }, { team: 'y' }, { team: 'x', other: 1 }),
  right: fc.constantFrom(
    { action: 'read', resource: '/runs/1' },
    { action: 'infer', resource: '/models/acme/m' },
    { action: 'infer', resource: '/models/globex/m' },
  ),
});
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('ask' as const), question }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      organisation: fc.constantFrom('acme', 'globex'),
      document,
      grantEndsMs: fc.integer({ min: 0, max: 60_000 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 20_000 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('revoke' as const),
      sub: fc.constantFrom('s1', 's2'),
      lifted: fc.boolean(),
    }),
  },
);

class Point {
  readonly engine = new DecisionEngine();
  readonly revocations = new RevocationBook();
  readonly check: AccessCheck;
  #epoch = 0;

  constructor(
    entries: number,
    readonly now: () => number,
  ) {
    const source = localPolicySource(this.engine, { revocations: this.revocations });
    this.check = new AccessCheck({ source, cache: new DecisionCache(entries), now });
    for (const organisation of ['acme', 'globex']) this.write(organisation, [], 0);
  }

  write(organisation: string, policies: unknown[], grantEndsMs: number): void {
    const grantee = organisation === 'acme' ? 'globex' : 'acme';
    const resources = [`/models/${organisation}/*`];
    const grant: PartnerGrant = {
      id: 'g',
      grantor: organisation,
      grantee,
      actions: ['infer'],
      resources,
      expiresAtMs: grantEndsMs,
    };
    this.engine.replace({
      organisation,
      epoch: (this.#epoch += 1),
      document: parsePolicySet({ roles: { a: {}, b: {} }, policies }),
      grants: [grant],
    });
  }

  revoke(sub: string, lifted: boolean): void {
    const since = this.revocations.epoch;
    const thing: RevocationChange = {
      kind: 'subject',
      organisation: 'acme',
      issuer: 'https://i',
      value: sub,
      epoch: since + 1,
      untilMs: 0,
      lifted,
    };
    this.revocations.apply({ since, epoch: since + 1, changes: [thing] });
  }

  ask(asked: AccessQuestion): string {
    try {
      return JSON.stringify({ epoch: this.check.check(asked).epoch });
    } catch (error) {
      if (!(error instanceof CogmeshError)) throw error;
      return JSON.stringify([error.code, error.message, error.details]);
    }
  }
}

describe('a check', () => {
  it('answers with a cache as it does without', () => {
    let hits = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 5, maxLength: 60 }), fc.constantFrom(1, 3, 100), (steps, entries) => {
        let nowMs = 1_000;
        const [cached, plain] = [entries, 0].map((max) => new Point(max, () => nowMs)) as [Point, Point];
        for (const one of steps) {
          if (one.kind === 'pass') nowMs += one.ms;
          else if (one.kind === 'write')
            for (const point of [cached, plain]) point.write(one.organisation, one.document, one.grantEndsMs);
          else if (one.kind === 'revoke') for (const point of [cached, plain]) point.revoke(one.sub, one.lifted);
          else {
            const { right, ...who } = one.question;
            const subject: OutsideSubject = { issuer: 'https://i', tokenId: 't', ...who };
            const onDecision = ({ cached: hit }: { readonly cached?: boolean | undefined }) =>
              void (hits += hit === true ? 1 : 0);
            const asked = { subject, access: [right], expiresAtMs: nowMs + 45_000 };
            expect(cached.ask({ ...asked, onDecision })).toBe(plain.ask(asked));
          }
        }
      }),
      { numRuns: 500 },
    );
    expect(hits).toBeGreaterThan(50);
  });

  it('keeps a decision no longer than the permit, the grant, time itself, or 30 s', () => {
    let nowMs = 0;
    const point = new Point(10, () => nowMs);
    const all = [{ permissions: ['*'], resources: ['/**'] }];
    point.write('acme', all, 20_000);
    point.write('globex', all, 0);
    const hit = (organisation: string, resource: string, expiresAtMs: number): boolean => {
      let cached = false;
      const subject = { issuer: 'https://i', sub: 's', organisation, roles: [], tokenId: '', attributes: {} };
      const access = [{ action: 'infer', resource }];
      const onDecision = (decision: { readonly cached?: boolean | undefined }) =>
        void (cached = decision.cached === true);
      point.ask({ subject, access, expiresAtMs, onDecision });
      return cached;
    };
    expect(hit('acme', '/models/acme/own', 100_000)).toBe(false);
    expect(hit('globex', '/models/acme/granted', 100_000)).toBe(false);
    expect(hit('acme', '/models/acme/short', 5_000)).toBe(false);
    nowMs = 4_999;
    expect(hit('acme', '/models/acme/short', 5_000)).toBe(true);
    nowMs = 5_000;
    expect(hit('acme', '/models/acme/short', 100_000)).toBe(false);
    nowMs = 19_999;
    expect(hit('globex', '/models/acme/granted', 100_000)).toBe(true);
    nowMs = 20_000;
    expect(hit('globex', '/models/acme/granted', 100_000)).toBe(false);
    nowMs = 29_999;
    expect(hit('acme', '/models/acme/own', 100_000)).toBe(true);
    nowMs = 30_000;
    expect(hit('acme', '/models/acme/own', 100_000)).toBe(false);
  });

  it('believes what the permit says of the resource while that counts, and keeps no decision longer', () => {
    let nowMs = 0;
    const point = new Point(10, () => nowMs);
    point.write(
      'acme',
      [{ policy: "resource.attributes.state == 'READY'", permissions: ['read'], resources: ['/agents/*'] }],
      0,
    );
    const subject = { issuer: 'https://i', sub: 's', organisation: 'acme', roles: [], tokenId: '', attributes: {} };
    const told = (state: string | undefined, untilMs = 1_000): string => {
      let seen = '';
      const right = { action: 'read', resource: '/agents/a1' };
      const access = [state === undefined ? right : { ...right, informed: { attributes: { state }, untilMs } }];
      const onDecision = ({ code, cached }: { readonly code: string; readonly cached?: boolean | undefined }) =>
        void (seen = `${code} ${String(cached)}`);
      point.ask({ subject, access, expiresAtMs: 60_000, onDecision });
      return seen;
    };
    expect(told(undefined)).toBe('no_matching_allow false');
    expect(told('DRAINING')).toBe('no_matching_allow false');
    expect(told('READY')).toBe('allowed false');
    expect(told('READY')).toBe('allowed true');
    nowMs = 999;
    expect(told('READY')).toBe('allowed true');
    nowMs = 1_000;
    expect(told('READY')).toMatch(/^no_matching_allow/);
    expect(told('READY', 2_000)).toBe('allowed false');
  });

  it('keeps nothing that came of an error', () => {
    const point = new Point(10, () => 0);
    point.write(
      'acme',
      [
        { permissions: ['*'], resources: ['/**'] },
        { policy: "attributes.x == 'y'", permissions: ['*'], resources: ['/**'], effect: 'deny' },
      ],
      0,
    );
    const codes: string[] = [];
    const subject = { issuer: 'https://i', sub: 's', organisation: 'acme', roles: [], tokenId: '', attributes: {} };
    const onDecision = ({ code, cached }: { readonly code: string; readonly cached?: boolean | undefined }) =>
      void codes.push(`${code} ${String(cached)}`);
    for (let i = 0; i < 2; i++)
      point.ask({ subject, access: [{ action: 'read', resource: '/runs/1' }], expiresAtMs: 9, onDecision });
    expect(codes).toEqual(['deny_rule_failed false', 'deny_rule_failed false']);
  });
});
