import { DecisionEngine, parsePolicySet } from '@cogmesh/policy-core';
import { describe, expect, it } from 'vitest';
import { DecisionCache } from './decision-cache.js';
import { Judge, partiesOf, requestFor, type JudgedRequest } from './judge.js';
import { RevocationBook } from './revocation-book.js';

const subject = {
  issuer: 'https://i',
  sub: 's',
  organisation: 'acme',
  roles: ['reader'],
  attributes: {},
  tokenId: 't',
};

function asked(more: Partial<JudgedRequest['access']> = {}, tokenId = 't'): JudgedRequest {
  const access = { subject, action: 'read', resource: { type: 'run', id: '1' }, nowMs: 1_000, ...more };
  return { access, who: { ...subject, tokenId } };
}

const judge = (held: ReturnType<typeof source>, request: JudgedRequest) =>
  new Judge({ source: held, cache: new DecisionCache(0) }).judge(request).answer;

function source() {
  const engine = new DecisionEngine();
  const policies = [{ id: 'p', permissions: ['read'], resources: ['/runs/*'], obligations: [{ id: 'log' }] }];
  engine.replace({ organisation: 'acme', epoch: 7, document: parsePolicySet(policies), grants: [] });
  return { engine, revocations: new RevocationBook() };
}

describe('an answer of the local copy', () => {
  it('is the decision in the words of the policy service', () => {
    const answer = judge(source(), asked());
    expect(answer).toMatchObject({ allowed: true, code: 'allowed', epoch: 7n, grantId: '', rules: ['p'] });
    expect(answer.obligations).toMatchObject([{ id: 'log', type: '', propertiesJson: '' }]);
    expect(answer.decisionId).not.toBe('');
    expect(judge(source(), asked({ action: 'cancel' }))).toMatchObject({ allowed: false, code: 'no_matching_allow' });
  });

  it.each([
    ['subject', 's', 't', 'revoked'],
    ['token', 't', 't', 'revoked'],
    ['token', 't', '', 'allowed'],
    ['token', 't', 'other', 'allowed'],
    ['subject', 'other', 't', 'allowed'],
  ] as const)('the %s %s is revoked, the token is "%s": %s', (kind, value, tokenId, code) => {
    const { engine, revocations } = source();
    const change = { kind, value, organisation: 'acme', issuer: 'https://i', epoch: 1, untilMs: 2_000, lifted: false };
    revocations.apply({ since: 0, epoch: 1, changes: [change] });
    expect(judge({ engine, revocations }, asked({}, tokenId))).toMatchObject({ code, allowed: code === 'allowed' });
    expect(judge({ engine, revocations }, asked({ nowMs: 2_000 }, tokenId)).code).toBe('allowed');
  });
});

describe('a judge who remembers', () => {
  it('answers with the decision of before, says so to the log, and never to whoever was revoked since', () => {
    const held = source();
    const judge = new Judge({ source: held, cache: new DecisionCache(10) });
    const [first, second] = [judge.judge(asked()), judge.judge(asked())];
    expect(second.answer).toBe(first.answer);
    expect([first.logged.cached, second.logged.cached]).toEqual([false, true]);
    expect(second.logged.decisionId).toBe(first.answer.decisionId);
    expect(judge.judge(asked({ action: 'cancel' })).answer.allowed).toBe(false);
    const change = { kind: 'subject', value: 's', organisation: 'acme', issuer: 'https://i', epoch: 1 } as const;
    held.revocations.apply({ since: 0, epoch: 1, changes: [{ ...change, untilMs: 0, lifted: false }] });
    expect(judge.judge(asked()).answer).toMatchObject({ allowed: false, code: 'revoked' });
    expect(judge.judge(asked()).logged).toMatchObject({ allowed: false, code: 'revoked', owner: 'acme' });
  });

  it('keeps apart what conditions read of the context and of the resource, and the owner', () => {
    const engine = new DecisionEngine();
    const policies = [
      {
        policy: "context.region == 'eu' && resource.attributes.kind == 'x'",
        permissions: ['read'],
        resources: ['/doc/*'],
      },
    ];
    engine.replace({ organisation: 'acme', epoch: 1, document: parsePolicySet(policies), grants: [] });
    const judge = new Judge({ source: { engine, revocations: new RevocationBook() }, cache: new DecisionCache(10) });
    const resource = { type: 'doc', id: '1' };
    const right = { resource, context: { region: 'eu' }, resourceAttributes: { kind: 'x' } };
    const codes = [
      right,
      right,
      { ...right, context: { region: 'us' } },
      { ...right, resourceAttributes: { kind: 'y' } },
      right,
    ];
    expect(codes.map((one) => judge.judge(asked(one)).answer.allowed)).toEqual([true, true, false, false, true]);
    expect(judge.judge(asked({ ...right, owner: 'globex' })).answer.code).toBe('unknown_organisation');
  });
});

describe('a request', () => {
  it('is read from a right and the subject', () => {
    expect(requestFor(subject, { action: 'infer', resource: '/models/globex/m' }, 5)).toEqual({
      access: { subject, action: 'infer', resource: { type: 'model', id: 'globex/m' }, nowMs: 5 },
      who: subject,
    });
    expect(() => requestFor(subject, { action: 'infer', resource: '/models/../m' }, 5)).toThrow(
      expect.objectContaining({ code: 'invalid_argument' }),
    );
  });

  it.each<[string, Partial<JudgedRequest['access']>, string]>([
    ['a model names its owner', { resource: { type: 'model', id: 'globex/m' }, owner: 'initech' }, 'globex'],
    ['the owner is told', { owner: 'initech' }, 'initech'],
    ['nobody else is told', { owner: '' }, 'acme'],
    ['nothing is told', {}, 'acme'],
  ])('concerns the caller and the owner: %s', (_, more, owner) => {
    expect(partiesOf(asked(more))).toEqual([...new Set(['acme', owner])]);
  });
});
