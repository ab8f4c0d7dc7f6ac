import { expect, it } from 'vitest';
import { canonicalTarget } from './canonical-target.js';

it.each([
  ['/api/v1/reports/7', '/api/v1/reports/7'],
  ['/runs?state=RUNNING&x=%2e%2e/', '/runs'],
  ['/models/acme/ocr?', '/models/acme/ocr'],
])('%s names %s', (target, path) => {
  expect(canonicalTarget(target)).toBe(path);
});

it.each([
  '',
  '/',
  '//',
  '*',
  'a',
  'http://x/a',
  '/a/',
  '/a//b',
  '/a/./b',
  '/a/../b',
  '/a/%2e%2e/b',
  '/a%2fb',
  '/a%00',
  '/a;b=1',
  '/a\\b',
  '/a#b',
  '/a?b#c',
  '/a b',
  '/a\tb',
  '/a\r\nb',
  '/e\u0301',
  '/a\u200bb',
  '/*',
])('%j names nothing', (target) => {
  expect(() => canonicalTarget(target)).toThrow(expect.objectContaining({ code: 'invalid_argument' }) as Error);
});
