import { expect, it } from 'vitest';
import { knownPart } from './known-part.js';

const stand = { value: 'any', text: 'some text' };

it.each([
  ['a value', { a: [1, null, 'x'], b: { c: true } }, { a: [1, null, 'x'], b: { c: true } }, true],
  ['an expression', { a: '${{ input.a }}', b: 2 }, { a: 'any', b: 2 }, false],
  [
    'a text with expressions in it',
    ['x ${{ input.a }}', '${{ input.a }}${{ input.b }}'],
    ['some text', 'some text'],
    false,
  ],
  ['what only looks like an expression', { a: 'costs $${{ 5 }}' }, { a: 'costs ${{ 5 }}' }, true],
  ['one expression alone', '${{ item }}', 'any', false],
])('%s', (_name, template, value, isWhole) => {
  expect(knownPart(template, stand)).toEqual({ value, isWhole });
});
