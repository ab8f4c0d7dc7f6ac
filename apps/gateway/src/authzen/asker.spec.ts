import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AllowedProperties } from './allowed-properties.js';
import { Asker, type AskerRules } from './asker.js';

const rules: AskerRules = {
  role: 'pep',
  properties: new AllowedProperties('subject.team, subject.roles'),
  allowedRoles: (issuer) => (issuer === 'https://a' ? ['reader', 'writer'] : []),
};
const self = (roles: readonly string[]) => ({
  issuer: 'https://a',
  sub: 'gate',
  organisation: 'acme',
  roles,
  tokenId: 't1',
  attributes: { team: 'edge' },
});
const point = new Asker(self(['pep']), rules);
const plain = new Asker(self(['reader']), rules);

describe('who is asked about', () => {
  it('has the organisation and the issuer of whoever asks, and no token', () => {
    const properties = { organisation: 'globex', issuer: 'https://b', team: 'red', roles: ['writer', 'root'] };
    const subject = point.subjectOf({ type: 'user', id: 'alice', properties });
    expect(subject).toEqual({
      ...{ issuer: 'https://a', organisation: 'acme', sub: 'alice', tokenId: '' },
      ...{ roles: ['writer'], attributes: { team: 'red' } },
    });
  });

  it('has nothing that somebody else than an enforcement point sends', () => {
    const subject = plain.subjectOf({ type: 'user', id: 'alice', properties: { team: 'red', roles: ['writer'] } });
    expect(subject).toMatchObject({ roles: [], attributes: {} });
  });

  it('is the asker as its token says, whatever is sent about it', () => {
    for (const asker of [point, plain]) {
      const entity = { type: 'user', id: 'gate', properties: { team: 'red', roles: ['writer'] } };
      expect(asker.isItself(entity)).toBe(true);
      expect(asker.subjectOf(entity)).toEqual(self(asker === point ? ['pep'] : ['reader']));
    }
    expect(point.isItself({ type: 'robot', id: 'gate', properties: {} })).toBe(false);
  });

  it('is one for each type and id', () => {
    const part = fc.constantFrom('user', 'a', 'b', ':', '::', 'user::', '%', 'x y');
    const text = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, text, text, text, (type, id, otherType, otherId) => {
        const name = (of: string, who: string) => point.subjectOf({ type: of, id: who, properties: {} }).sub;
        expect(name(type, id) === name(otherType, otherId)).toBe(type === otherType && id === otherId);
      }),
    );
  });
});
