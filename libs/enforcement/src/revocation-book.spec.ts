import type { RevocationChange } from '@cogmesh/identity';
import { describe, expect, it } from 'vitest';
import { RevocationBook, revokedError, type Revocable } from './revocation-book.js';

const change = (more: Partial<RevocationChange>): RevocationChange => ({
  kind: 'subject',
  organisation: 'acme',
  issuer: 'https://i',
  value: 's',
  epoch: 1,
  untilMs: 0,
  lifted: false,
  ...more,
});

function bookOf(...changes: Partial<RevocationChange>[]): RevocationBook {
  const book = new RevocationBook();
  const numbered = changes.map((each, i) => change({ epoch: i + 1, ...each }));
  book.apply({ since: 0, epoch: changes.length, changes: numbered });
  return book;
}

const who: Revocable = { issuer: 'https://i', sub: 's', tokenId: 't', keyId: 'k' };
const grant = { grantor: 'acme', id: 'g', keyId: 'k' };

describe('who is revoked', () => {
  it.each<[string, Partial<RevocationChange>, Partial<Revocable>, boolean]>([
    ['the issuer', { kind: 'issuer', value: '' }, {}, true],
    ['the subject', { kind: 'subject', value: 's' }, {}, true],
    ['another subject', { kind: 'subject', value: 'other' }, {}, false],
    ['the token', { kind: 'token', value: 't' }, {}, true],
    ['another token', { kind: 'token', value: 'other' }, {}, false],
    ['the token of nobody', { kind: 'token', value: '' }, { tokenId: '' }, false],
    ['the key', { kind: 'key', value: 'k' }, {}, true],
    ['another key', { kind: 'key', value: 'other' }, {}, false],
    ['any key, for a token that names none', { kind: 'key', value: 'other' }, { keyId: '' }, true],
    ['a subject of another issuer', { kind: 'subject' }, { issuer: 'https://other' }, false],
    ['a grant of that name', { kind: 'grant', value: 's', issuer: '' }, {}, false],
  ])('%s', (_, revoked, asked, want) => {
    expect(bookOf(revoked).find({ ...who, ...asked }, 0) !== undefined).toBe(want);
  });

  it('is not decided by keys where there is no token', () => {
    const { issuer, sub, tokenId } = who;
    expect(bookOf({ kind: 'key', value: 'k' }).find({ issuer, sub, tokenId }, 0)).toBeUndefined();
  });

  it.each(['issuer', 'subject', 'token', 'key'] as const)('ends at its own time: %s', (kind) => {
    const value = { issuer: '', subject: 's', token: 't', key: 'k' }[kind];
    const book = bookOf({ kind, value, untilMs: 1_000 });
    expect(book.find(who, 999)).toMatchObject({ kind });
    expect(book.find(who, 1_000)).toBeUndefined();
  });

  it('looks past keys that are over when the token names none', () => {
    const book = bookOf({ kind: 'key', value: 'a', untilMs: 10 }, { kind: 'key', value: 'b', untilMs: 20 });
    expect(book.find({ ...who, keyId: '' }, 15)).toMatchObject({ value: 'b' });
    expect(book.find({ ...who, keyId: '' }, 20)).toBeUndefined();
  });

  it.each(['issuer', 'subject', 'token', 'key'] as const)('is nobody once it was lifted: %s', (kind) => {
    const value = { issuer: '', subject: 's', token: 't', key: 'k' }[kind];
    expect(bookOf({ kind, value }, { kind, value, lifted: true }).find(who, 0)).toBeUndefined();
    expect(bookOf({ kind, value }, { kind, value, lifted: true }, { kind, value }).find(who, 0)).toBeDefined();
  });
});

describe('a grant', () => {
  it.each<[string, Partial<RevocationChange>, boolean]>([
    ['itself', { kind: 'grant', value: 'g', issuer: '' }, true],
    ['another', { kind: 'grant', value: 'other', issuer: '' }, false],
    ['of another organisation', { kind: 'grant', value: 'g', issuer: '', organisation: 'globex' }, false],
    ['its key', { kind: 'key', value: 'k', issuer: 'org:acme' }, true],
    ['another key', { kind: 'key', value: 'other', issuer: 'org:acme' }, false],
    ['the key of another organisation', { kind: 'key', value: 'k', issuer: 'org:globex' }, false],
    ['its end', { kind: 'grant', value: 'g', issuer: '', untilMs: 1 }, false],
  ])('%s', (_, revoked, want) => expect(bookOf(revoked).isGrantRevoked(grant, 1)).toBe(want));

  it('is given again by lifting', () => {
    const revoked = { kind: 'grant', value: 'g', issuer: '' } as const;
    expect(bookOf(revoked, { ...revoked, lifted: true }).isGrantRevoked(grant, 0)).toBe(false);
  });

  it('beside others of its organisation', () => {
    const book = bookOf({ kind: 'grant', value: 'f', issuer: '' }, { kind: 'grant', value: 'g', issuer: '' });
    for (const id of ['f', 'g']) expect(book.isGrantRevoked({ ...grant, id }, 0)).toBe(true);
  });
});

describe('lists', () => {
  it('bring what is new in them, in order, and nothing twice', () => {
    const book = bookOf({ value: 'one' });
    const two = change({ value: 'two', epoch: 2 });
    const three = change({ value: 'two', epoch: 3, lifted: true });
    expect(book.apply({ since: 0, epoch: 3, changes: [three, change({ value: 'one' }), two] })).toEqual([two, three]);
    expect(book.epoch).toBe(3);
    expect(book.find({ ...who, sub: 'two' }, 0)).toBeUndefined();
    expect(book.find({ ...who, sub: 'one' }, 0)).toBeDefined();
    expect(book.apply({ since: 0, epoch: 3, changes: [change({ value: 'late', epoch: 3 })] })).toEqual([]);
    expect(book.find({ ...who, sub: 'late' }, 0)).toBeUndefined();
  });

  it('that are older than what is held change nothing', () => {
    const book = bookOf({ value: 'one' }, { value: 'two' });
    expect(book.apply({ since: 0, epoch: 1, changes: [change({ value: 'old', epoch: 1 })] })).toEqual([]);
    expect(book.epoch).toBe(2);
  });

  it('that start after what is held are refused and change nothing', () => {
    const book = bookOf({});
    expect(book.apply({ since: 1, epoch: 2, changes: [change({ value: 'x', epoch: 2 })] })).toHaveLength(1);
    expect(() => book.apply({ since: 3, epoch: 4, changes: [change({ value: 'y', epoch: 4 })] })).toThrow(
      expect.objectContaining({ code: 'conflict' }),
    );
    expect(book.epoch).toBe(2);
    expect(book.find({ ...who, sub: 'y' }, 0)).toBeUndefined();
  });
});

it('the refusal says what was revoked, by whom', () => {
  for (const kind of ['token', 'subject', 'issuer', 'key'] as const) {
    const error = revokedError(change({ kind }));
    expect(error).toMatchObject({ code: 'revoked', details: { kind, issuer: 'https://i' } });
    expect(error.message).toMatch(new RegExp(`^acme has revoked th.*${kind}.*\\(https://i\\)$`));
  }
  expect(revokedError(change({ kind: 'grant', issuer: '' })).message).toBe('acme has revoked this grant');
});
