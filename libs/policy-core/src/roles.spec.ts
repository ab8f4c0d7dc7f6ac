import { beforeAll, describe, expect, it } from 'vitest';
import { limits } from './limits.js';
import { RoleBook, roleCycle, type RoleTable } from './roles.js';

const table = (entries: Record<string, string[]>): RoleTable => new Map(Object.entries(entries));

describe('effective roles', () => {
  let book: RoleBook;
  beforeAll(() => {
    book = new RoleBook(
      table({ admin: ['operator', 'auditor'], operator: ['reader'], auditor: ['reader'], reader: [] }),
    );
  });

  it.each([
    [[], []],
    [['reader'], ['reader']],
    [['admin'], ['admin', 'operator', 'auditor', 'reader']],
    [
      ['operator', 'auditor'],
      ['operator', 'reader', 'auditor'],
    ],
    [['stranger'], ['stranger']],
    [
      ['stranger', 'reader', 'reader'],
      ['stranger', 'reader'],
    ],
  ])('%j are %j', (roles, want) => expect(book.effective(roles)).toEqual(want));

  it('are found once for each role of the table, and not kept for names that strangers choose', () => {
    expect(book.effective(['admin'])).toBe(book.effective(['admin']));
    expect(book.effective(['stranger'])).not.toBe(book.effective(['stranger']));
  });

  it('are refused beyond the limit, never cut', () => {
    const names = (count: number) => Array.from({ length: count }, (_, i) => `r${String(i)}`);
    expect(book.effective(names(limits.effectiveRoles))).toHaveLength(limits.effectiveRoles);
    expect(() => book.effective(names(limits.effectiveRoles + 1))).toThrow(
      expect.objectContaining({ code: 'invalid_argument' }),
    );
    const wide = new RoleBook(table({ all: names(limits.effectiveRoles) }));
    expect(() => wide.effective(['all'])).toThrow(/at most 256 effective roles/);
  });
});

describe('a circle of roles', () => {
  it.each<[string | undefined, Record<string, string[]>]>([
    [undefined, {}],
    [undefined, { a: ['b', 'c'], b: ['c'], c: [] }],
    ['a > a', { a: ['a'] }],
    ['a > b > a', { a: ['b'], b: ['a'] }],
    ['a > b > a', { ok: [], a: ['b'], b: ['a'] }],
    ['a > b > a', { x: ['a'], a: ['b'], b: ['a'] }],
    ['a > c > a', { a: ['b', 'c'], b: [], c: ['a'] }],
    ['c > d > c', { a: ['b', 'c'], b: [], c: ['d'], d: ['c'] }],
    [undefined, { a: ['unknown'] }],
  ])('%s in %j', (cycle, entries) => expect(roleCycle(table(entries))).toBe(cycle));

  it('is looked for in each role once, however many ways lead to it', () => {
    const entries: Record<string, string[]> = {};
    for (let i = 0; i < 60; i++)
      for (const side of ['l', 'r']) entries[`${side}${String(i)}`] = [`l${String(i + 1)}`, `r${String(i + 1)}`];
    expect(roleCycle(table(entries))).toBeUndefined();
  });
});
