import { DecisionEngine, parsePolicySet } from '@cogmesh/policy-core';
import { describe, expect, it } from 'vitest';
import { judge, partiesOf, requestFor, type JudgedRequest } from './judge.js';
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
  return { access, tokenId };
}

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

describe('a request', () => {
  it('is read from a right and the subject', () => {
    expect(requestFor(subject, { action: 'infer', resource: '/models/globex/m' }, 5)).toEqual({
      access: { subject, action: 'infer', resource: { type: 'model', id: 'globex/m' }, nowMs: 5 },
      tokenId: 't',
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
    expect(partiesOf(asked(more))).toEqual(['acme', owner]);
  });
});
