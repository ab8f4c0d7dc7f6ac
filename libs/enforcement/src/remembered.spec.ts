import { expect, it } from 'vitest';
import { remembered } from './remembered.js';

it('asks once for each text, and starts anew when it is full', () => {
  const asked: string[] = [];
  const length = remembered((text) => asked.push(text), 2);
  expect([length('a'), length('a'), length('b'), length('a')]).toEqual([1, 1, 2, 1]);
  expect([length('c'), length('a')]).toEqual([3, 4]);
  expect(asked).toEqual(['a', 'b', 'c', 'a']);
});

it('does not keep long texts', () => {
  let asked = 0;
  const count = remembered(() => (asked += 1));
  const long = 'a'.repeat(257);
  expect([count(long), count(long)]).toEqual([1, 2]);
});
