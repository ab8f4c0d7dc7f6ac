import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { segmentsOf } from './canonical-path.js';
import { compileGlob, compileSegment, globProblem } from './glob.js';

describe('a segment with stars', () => {
  it.each([
    ['ab*ba', 'abba', true],
    ['ab*ba', 'aba', false],
    ['a*b*b', 'abb', true],
    ['a*b*b', 'ab', false],
    ['a*b*b*c', 'abbc', true],
    ['a*b*b*c', 'abc', false],
    ['a*', 'a', true],
    ['*a', 'ba', true],
    ['*', '', true],
  ])('%s: %s -> %s', (pattern, text, want) => expect(compileSegment(pattern)(text)).toBe(want));

  it('means any characters by each star and itself by everything else', () => {
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*', '.'), maxLength: 7 });
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '.'), maxLength: 7 });
    fc.assert(
      fc.property(pattern, fc.array(text, { minLength: 8, maxLength: 8 }), (written, texts) => {
        const slow = new RegExp(`^${written.replaceAll('.', '\\.').replaceAll('*', '.*')}$`);
        const matches = compileSegment(written);
        for (const each of texts) expect(matches(each), `${written} ${each}`).toBe(slow.test(each));
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('a glob', () => {
  it.each([
    ['/a/*', '/a', false],
    ['/a/*', '/a/b', true],
    ['/a/*', '/a/b/c', true],
    ['/a/**', '/a', true],
    ['/a/**', '/a/b/c', true],
    ['/a/**', '/b', false],
    ['/a/*/c', '/a/b/c', true],
    ['/a/*/c', '/a/b/d', false],
    ['/a/*/c', '/a/c', false],
    ['/a/*/c', '/a/b/c/d', false],
    ['/a', '/a', true],
    ['/a', '/a/b', false],
    ['/**', '/a', true],
  ])('%s: %s -> %s', (text, path, want) => expect(compileGlob(text).matches(segmentsOf(path))).toBe(want));

  it.each([
    ['/a/**', undefined],
    ['/a/*/b-*', undefined],
    ['/a/b**', '"**" must be a whole segment'],
    ['/a/**/b', '"**" may only be the last segment'],
    ['a', 'does not start with "/"'],
    ['/a//b', 'has an empty segment or a trailing slash'],
    ['/a/../b', 'has a ".." segment'],
    ['/a b', 'contains " "'],
    [`/${'a'.repeat(511)}`, undefined],
    [`/${'a'.repeat(512)}`, 'longer than 512 characters'],
    ['/a'.repeat(32), undefined],
    ['/a'.repeat(33), 'has more than 32 segments'],
    ['/\u0065\u0301', 'is not in Unicode normalisation form C'],
  ])('%s: %s', (text, problem) => expect(globProblem(text)).toBe(problem));
});
