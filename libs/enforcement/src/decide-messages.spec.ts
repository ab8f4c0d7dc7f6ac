import { describe, expect, it } from 'vitest';
import { accessReader, fromDecision, fromRevocation, type DecideRequestInit } from './decide-messages.js';
import { attributesMaxChars, contextMaxChars } from './limits.js';

const subject = { issuer: 'i', sub: 's', organisation: 'acme', roles: ['r'], attributesJson: '{"a":1}' };
const request = (more: object = {}): DecideRequestInit => {
  const given = { subject, action: 'read', resource: { type: 'run', id: '1' } };
  return Object.assign(given, more);
};
const objectOf = (chars: number): string => JSON.stringify({ a: 'x'.repeat(chars - 8) });
const refused = (code: string): unknown => expect.objectContaining({ code });

describe('a request of Decide', () => {
  it('is read with what it says', () => {
    const given = request({ owner: 'globex', contextJson: '{"c":2}', resourceAttributesJson: '{"r":3}' });
    expect(accessReader(9)(given)).toEqual({
      subject: { issuer: 'i', sub: 's', organisation: 'acme', roles: ['r'], attributes: { a: 1 } },
      action: 'read',
      resource: { type: 'run', id: '1' },
      owner: 'globex',
      context: { c: 2 },
      resourceAttributes: { r: 3 },
      nowMs: 9,
    });
  });

  it('says nothing that was not said', () => {
    const read = accessReader(9)({ subject: {}, resource: {} });
    expect(read).toEqual({
      subject: { issuer: '', sub: '', organisation: '', roles: [], attributes: {} },
      action: '',
      resource: { type: '', id: '' },
      context: {},
      nowMs: 9,
    });
  });

  it('reads once what the requests of one call share', () => {
    const read = accessReader(9);
    const [one, other] = [request({ contextJson: '{"c":2}' }), request({ contextJson: '{"c":2}' })].map(read);
    expect(one?.subject).toBe(other?.subject);
    expect(one?.context).toBe(other?.context);
    expect(read(request({ subject: { ...subject } })).subject).not.toBe(one?.subject);
  });

  it.each(['subject', 'resource'])('without %s is refused', (without) => {
    expect(() => accessReader(9)(request({ [without]: undefined }))).toThrow(refused('invalid_argument'));
  });

  it.each<[string, number, (json: string) => object]>([
    ['attributes', attributesMaxChars, (json) => ({ subject: { ...subject, attributesJson: json } })],
    ['context', contextMaxChars, (json) => ({ contextJson: json })],
    ['attributes of the resource', attributesMaxChars, (json) => ({ resourceAttributesJson: json })],
  ])('takes %s that are an object of %i characters at most', (_, most, put) => {
    const read = (json: string) => () => accessReader(9)(request(put(json)));
    expect(read(objectOf(most))).not.toThrow();
    expect(read(objectOf(most + 1))).toThrow(refused('payload_too_large'));
    for (const wrong of ['[]', 'null', '7', '"a"', '{', 'x'])
      expect(read(wrong), wrong).toThrow(refused('invalid_json'));
  });
});

describe('an answer', () => {
  const decision = {
    allowed: true,
    code: 'allowed' as const,
    reason: 'because',
    rules: ['p'],
    epoch: 3,
    cacheable: true,
    reads: { attributes: [], context: [], resourceAttributes: [] },
  };

  it('has all of the decision, and an id of its own', () => {
    const obligations = [{ id: 'o', type: 't', properties: { a: 1 } }, { id: 'bare' }];
    const answer = fromDecision({ ...decision, obligations, grantId: 'g' });
    expect(answer).toMatchObject({
      allowed: true,
      code: 'allowed',
      reason: 'because',
      rules: ['p'],
      epoch: 3n,
      grantId: 'g',
      obligations: [
        { id: 'o', type: 't', propertiesJson: '{"a":1}' },
        { id: 'bare', type: '', propertiesJson: '' },
      ],
    });
    expect(fromDecision({ ...decision, obligations: [] })).toMatchObject({ grantId: '', obligations: [] });
    expect(fromDecision({ ...decision, obligations: [] }).decisionId).not.toBe(answer.decisionId);
  });

  it('to somebody who is revoked allows nothing', () => {
    const change = { kind: 'subject', organisation: 'acme', issuer: 'i', value: 's', epoch: 1 } as const;
    expect(fromRevocation({ ...change, untilMs: 0, lifted: false })).toMatchObject({
      allowed: false,
      code: 'revoked',
      epoch: 0n,
      rules: [],
    });
  });
});
