import { expect, it } from 'vitest';
import { decisionId } from './decision-id.js';

it('is a ULID, and another one each time, past the end of a pool', () => {
  const ids = Array.from({ length: 2_000 }, decisionId);
  for (const id of ids) expect(id).toMatch(/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/);
  expect(new Set(ids).size).toBe(ids.length);
});

it('uses every letter', () => {
  const letters = new Set(Array.from({ length: 500 }, () => decisionId().slice(10)).join(''));
  expect(letters.size).toBe(32);
});
