import type { Decision } from '@cogmesh/policy-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DecisionCache } from './decision-cache.js';
import { Verdict } from './verdict.js';

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
const verdict = new Verdict(decision, 'acme', { action: 'read', resource: { type: 'run', id: '' } });

const look = () => reads;
const has = (cache: DecisionCache, key: string, nowMs: number) =>
  cache.question(key, look).verdictWith('', nowMs) !== undefined;
const keep = (cache: DecisionCache, key: string, expiresAtMs: number) =>
  cache.question(key, look).keep(verdict, { values: '', expiresAtMs });

describe('the decision cache', () => {
  it('never outgrows its bound, and never answers past an end', () => {
    const step = fc.record({
      key: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
      at: fc.nat(100),
      ttl: fc.integer({ min: 1, max: 20 }),
    });
    fc.assert(
      fc.property(fc.nat(5), fc.array(step, { maxLength: 40 }), (max, steps) => {
        const cache = new DecisionCache(max);
        const ends = new Map<string, number>();
        for (const { key, at, ttl } of steps.sort((a, b) => a.at - b.at)) {
          if (has(cache, key, at)) expect(ends.get(key)).toBeGreaterThan(at);
          keep(cache, key, at + ttl);
          ends.set(key, at + ttl);
          expect(cache.size).toBeLessThanOrEqual(max);
        }
      }),
    );
  });

  it('forgets what was used longest ago', () => {
    const cache = new DecisionCache(2);
    keep(cache, 'a', 10);
    keep(cache, 'b', 10);
    expect(has(cache, 'a', 1)).toBe(true);
    keep(cache, 'c', 10);
    expect(has(cache, 'a', 1)).toBe(true);
    expect(has(cache, 'b', 1)).toBe(false);
  });

  it('keeps what is in use however much passes by', () => {
    const cache = new DecisionCache(10);
    keep(cache, 'mine', 10);
    for (let i = 0; i < 1_000; i++) {
      keep(cache, `other-${String(i)}`, 10);
      expect(has(cache, 'mine', 1)).toBe(true);
    }
    expect(has(cache, 'other-990', 1)).toBe(false);
    expect(has(cache, 'other-999', 1)).toBe(true);
  });

  it('answers only for the values that were read', () => {
    const cache = new DecisionCache(2);
    cache.question('a', look).keep(verdict, { values: '1:x', expiresAtMs: 10 });
    expect(cache.question('a', look).verdictWith('1:x', 1)).toBe(verdict);
    expect(cache.question('a', look).verdictWith('1:y', 1)).toBeUndefined();
  });

  it('looks up what a question reads once, and no more questions than it may hold', () => {
    const cache = new DecisionCache(2);
    let looked = 0;
    const counted = () => {
      looked += 1;
      return reads;
    };
    for (const key of ['a', 'a', 'b', 'c', 'a']) cache.question(key, counted);
    expect(looked).toBe(4);
  });
});
