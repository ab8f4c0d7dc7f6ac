import fc from 'fast-check';
import { expect, it } from 'vitest';
import { fairAmount } from './plan-slices.js';

const replicas = ['a', 'b', 'c'];
const shares = (weights: readonly number[], whole: number, turn = 0, isDivisible = false) => {
  const living = replicas.slice(0, weights.length);
  const claims = living.map((replica, index) => ({ replica, weight: weights[index] ?? 0 }));
  return living.map((me) => fairAmount(me, claims, { whole, isDivisible }, { living, turn }));
};

it('gives everything to the only one that has work', () => {
  expect(shares([1, 0], 7)).toEqual([7, 0]);
  expect(shares([3, 0], 2.5, 0, true)).toEqual([2.5, 0]);
});

it('leaves one for those without work where that is a small part', () => {
  expect(shares([1, 0], 8)).toEqual([7, 1]);
  expect(shares([1, 0, 0], 100)).toEqual([98, 1, 1]);
  expect(shares([0, 0], 8)).toEqual([1, 1]);
});

it('shares by weight', () => {
  expect(shares([1, 1], 10)).toEqual([5, 5]);
  expect(shares([3, 1], 8)).toEqual([6, 2]);
  expect(shares([1, 3], 2, 0, true)).toEqual([0.5, 1.5]);
});

it('lets what does not divide go round, by weight', () => {
  const got = [0, 0];
  for (let turn = 0; turn < 1_000; turn += 1) {
    shares([3, 1], 1, turn).forEach((amount, index) => (got[index] = (got[index] ?? 0) + amount));
  }
  expect(got[0]).toBeGreaterThan(740);
  expect(got[0]).toBeLessThan(760);
  expect((got[0] ?? 0) + (got[1] ?? 0)).toBe(1_000);
});

it('whatever waits where, the parts make up the whole, and each is its fair part but for less than one', () => {
  const scenario = fc.record({
    weights: fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 3 }),
    whole: fc.integer({ min: 0, max: 200 }),
    turn: fc.integer({ min: 0, max: 1_000_000 }),
  });
  fc.assert(
    fc.property(scenario, ({ weights, whole, turn }) => {
      const got = shares(weights, whole, turn);
      const sum = got.reduce((total, amount) => total + amount, 0);
      const wanting = weights.filter((weight) => weight > 0).length;
      if (wanting > 0) expect(sum).toBe(whole);
      else expect(sum).toBeLessThanOrEqual(whole);
      const idle = whole >= 4 * weights.length ? weights.length - wanting : 0;
      const weighed = weights.reduce((total, weight) => total + weight, 0);
      weights.forEach((weight, index) => {
        if (weight > 0) expect(Math.abs((got[index] ?? 0) - ((whole - idle) * weight) / weighed)).toBeLessThan(1);
      });
    }),
    { numRuns: 2_000 },
  );
});
