import { describe, expect, it } from 'vitest';
import { applyChange, documentChange, documentDigest, type DocumentChange } from './bundle-delta.js';

const unfit: unknown = expect.objectContaining({ code: 'data_loss' });

function changeOf(from: unknown, to: unknown): DocumentChange {
  const change = documentChange(from, to);
  if (change === undefined) throw new Error('there is a change of every object');
  return change;
}

describe('the change of a document', () => {
  const a = { id: 'a' };
  const b = { id: 'b', more: { y: 1, x: 2 } };
  const c = { id: 'c' };
  const before = { policies: [a, b, c], roles: { r: {} }, grants: ['g'] };

  it.each<[string, unknown, Partial<DocumentChange>]>([
    ['nothing', { ...before }, { members: {}, lists: {}, removed: [] }],
    [
      'members in another order',
      { ...before, policies: [a, { more: { x: 2, y: 1 }, id: 'b' }, c] },
      { members: {}, lists: {}, removed: [] },
    ],
    [
      'an item between',
      { ...before, policies: [a, { id: 'new' }, { id: 'newer' }, b, c] },
      {
        lists: {
          policies: [{ from: 0, count: 1 }, { items: [{ id: 'new' }, { id: 'newer' }] }, { from: 1, count: 2 }],
        },
      },
    ],
    [
      'an item less',
      { ...before, policies: [a, c] },
      {
        lists: {
          policies: [
            { from: 0, count: 1 },
            { from: 2, count: 1 },
          ],
        },
      },
    ],
    [
      'another order',
      { ...before, policies: [b, c, a] },
      {
        lists: {
          policies: [
            { from: 1, count: 2 },
            { from: 0, count: 1 },
          ],
        },
      },
    ],
    ['no item any more', { ...before, policies: [] }, { lists: { policies: [] }, members: {} }],
    ['a member', { ...before, roles: { s: {} } }, { members: { roles: { s: {} } }, lists: {}, removed: [] }],
    ['a member more', { ...before, topology: {} }, { members: { topology: {} }, lists: {}, removed: [] }],
    ['a list more', { ...before, bindings: [] }, { members: { bindings: [] }, lists: {}, removed: [] }],
    ['a list for a member', { ...before, roles: [1] }, { members: { roles: [1] }, lists: {}, removed: [] }],
    ['a member for a list', { ...before, grants: 'g' }, { members: { grants: 'g' }, lists: {}, removed: [] }],
    [
      'a member less',
      { policies: before.policies, roles: before.roles },
      { members: {}, lists: {}, removed: ['grants'] },
    ],
  ])('%s', (_, after, change) => {
    const told = changeOf(before, after);
    expect(told).toMatchObject(change);
    expect(applyChange(before, told)).toEqual(after);
    expect(told.sha256).toBe(documentDigest(after));
  });

  it('is told of objects alone', () => {
    for (const other of [[], null, 'text', 7]) {
      expect(documentChange(other, {})).toBeUndefined();
      expect(documentChange({}, other)).toBeUndefined();
    }
  });

  it('has the digest of what the document says, whatever holds it', () => {
    expect(documentDigest({ b: [{ y: 1, x: 2 }], a: 1, gone: undefined })).toBe(
      documentDigest({ a: 1, b: [{ x: 2, y: 1 }] }),
    );
    expect(documentDigest({ a: [1, 2] })).not.toBe(documentDigest({ a: [2, 1] }));
    expect(documentDigest({ a: [null] })).not.toBe(documentDigest({ a: [] }));
    expect(documentDigest([{ a: 1 }])).toBe(documentDigest([{ a: 1 }]));
  });

  it('is not taken for what every object inherits', () => {
    const own = { ['constructor']: [1] };
    expect(applyChange({}, changeOf({}, own))).toEqual(own);
    expect(() => applyChange({}, { ...changeOf({}, {}), lists: { constructor: [] } })).toThrow(unfit);
  });
});

describe('a change that does not fit', () => {
  const before = { policies: [1, 2, 3] };
  const after = { policies: [2, 3] };
  const change = changeOf(before, after);

  it.each<[string, unknown, DocumentChange]>([
    ['nothing is held', undefined, change],
    ['a list is held', [1, 2, 3], change],
    ['a shorter list is held', { policies: [1, 2] }, change],
    ['no such list is held', {}, change],
    ['another document is held', { policies: [1, 2, 4] }, change],
    ['more is held', { ...before, roles: {} }, change],
    ['the result was signed as another', before, { ...change, sha256: documentDigest(before) }],
  ])('%s', (_, held, given) => expect(() => applyChange(held, given)).toThrow(unfit));

  it('leaves what is held as it is', () => {
    expect(applyChange(before, change)).toEqual(after);
    expect(before).toEqual({ policies: [1, 2, 3] });
  });
});
