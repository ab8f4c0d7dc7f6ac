import type { Decision } from '@cogmesh/policy-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DecisionCache } from './decision-cache.js';

const reads = { attributes: [], context: [], resourceAttributes: [] };
const decision: Decision = {
  allowed: true,
  code: 'allowed',
  reason: '',
  rules: [],
  epoch: 1,
  cacheable: true,
  obligations: [],
  reads,
};

describe('the decision cache', () => {
  it('never outgrows its bound, and never answers past an end', () => {
    const step = fc.record({
      key: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
      at: fc.nat(100),
      ttl: fc.integer({ min: 1, max: 20 }),
    });
    fc.assert(
      fc.property(fc.nat(3), fc.array(step, { maxLength: 40 }), (max, steps) => {
        const cache = new DecisionCache(max);
        const ends = new Map<string, number>();
        for (const { key, at, ttl } of steps.sort((a, b) => a.at - b.at)) {
          if (cache.get(key, at) !== undefined) expect(ends.get(key)).toBeGreaterThan(at);
          cache.set(key, decision, at + ttl);
          ends.set(key, at + ttl);
          expect(cache.size).toBeLessThanOrEqual(max);
        }
      }),
    );
  });

  it('forgets what was used longest ago', () => {
    const cache = new DecisionCache(2);
    cache.set('a', decision, 10);
    cache.set('b', decision, 10);
    cache.get('a', 1);
    cache.set('c', decision, 10);
    expect([cache.get('a', 1), cache.get('b', 1), cache.get('c', 1)]).toEqual([decision, undefined, decision]);
  });

  it('looks up what a question reads once, and no more questions than it may hold', () => {
    const cache = new DecisionCache(2);
    let looked = 0;
    const look = () => {
      looked += 1;
      return reads;
    };
    for (const key of ['a', 'a', 'b', 'c', 'a']) cache.readsOf(key, look);
    expect(looked).toBe(4);
  });
});
