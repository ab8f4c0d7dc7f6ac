import fc from 'fast-check';
import { expect, it } from 'vitest';
import { segmentsOf } from '../canonical-path.js';
import { compileGlob } from '../glob.js';
import { globCovers, globsCover, literalPrefix } from './glob-cover.js';

it.each([
  ['/**', '/runs'],
  ['/**', '/*'],
  ['/*', '/runs/*'],
  ['/runs/**', '/runs'],
  ['/runs/**', '/runs/*'],
  ['/runs/*', '/runs/*/x'],
  ['/models/*/ocr', '/models/acme/ocr'],
  ['/models/acme/p*', '/models/acme/pp-*'],
  ['/models/acme/*-v1', '/models/acme/a*-v1'],
])('%s covers %s', (wide, narrow) => {
  expect(globCovers(wide, narrow)).toBe(true);
});

it.each([
  ['/*', '/**'],
  ['/runs/*', '/runs'],
  ['/runs/*', '/runs/**'],
  ['/runs', '/runs/*'],
  ['/models/*/ocr', '/models/acme/*'],
  ['/models/*/ocr', '/models/a/b/ocr'],
  ['/models/acme/pp-*', '/models/acme/p*'],
  ['/a/ab*ba', '/a/ab*a'],
  ['/runs/*', '/models/*'],
])('%s does not cover %s', (wide, narrow) => {
  expect(globCovers(wide, narrow)).toBe(false);
});

it('needs one that covers it for each', () => {
  expect(globsCover(['/runs/**', '/tools/*'], ['/runs', '/tools/acme/x'])).toBe(true);
  expect(globsCover(['/runs/**', '/tools/*'], ['/runs', '/tools'])).toBe(false);
});

it('knows the segments before the first star', () => {
  expect(literalPrefix('/models/acme/p*')).toEqual(['models', 'acme']);
  expect(literalPrefix('/runs')).toEqual(['runs']);
});

const letters = fc.array(fc.constantFrom('a', 'b'), { minLength: 1, maxLength: 3 }).map((parts) => parts.join(''));
const wild = fc.array(fc.constantFrom('a', 'b', '*'), { minLength: 1, maxLength: 4 }).map((parts) => parts.join(''));
const glob = fc
  .tuple(fc.array(wild, { maxLength: 3 }), fc.constantFrom('', 'a', '*', '**'))
  .map(([head, last]) => [...head.map((segment) => segment.replace(/\*+/g, '*')), ...(last === '' ? [] : [last])])
  .filter((segments) => segments.length > 0)
  .map((segments) => `/${segments.join('/')}`);
const path = fc.array(letters, { minLength: 1, maxLength: 4 }).map((segments) => `/${segments.join('/')}`);

it('is never wrong when it says yes', () => {
  fc.assert(
    fc.property(glob, glob, fc.array(path, { minLength: 20, maxLength: 20 }), (wide, narrow, paths) => {
      fc.pre(globCovers(wide, narrow));
      for (const one of paths.map(segmentsOf))
        if (compileGlob(narrow).matches(one)) expect(compileGlob(wide).matches(one), `${wide} ${narrow}`).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});
