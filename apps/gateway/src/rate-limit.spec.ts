import type { CogmeshError } from '@cogmesh/errors';
import { expect, it } from 'vitest';
import { RateLimit } from './rate-limit.js';

let now = 0;
const spend = (limit: RateLimit, organisation = 'acme'): number | undefined => {
  try {
    limit.spend(organisation);
    return undefined;
  } catch (thrown) {
    return (thrown as CogmeshError).details.retryAfterSeconds;
  }
};

it('lets a burst through, then the rate, and says when to come back', () => {
  const limit = new RateLimit({ perSecond: 2, burst: 3, now: () => now });
  expect([1, 2, 3].map(() => spend(limit))).toEqual([undefined, undefined, undefined]);
  expect(spend(limit)).toBe(1);
  expect(spend(limit, 'globex')).toBeUndefined();
  now += 500;
  expect(spend(limit)).toBeUndefined();
  expect(spend(limit)).toBe(1);
  now += 3_600_000;
  expect([1, 2, 3, 4].map(() => spend(limit))).toEqual([undefined, undefined, undefined, 1]);
});

it('keeps a bounded number of buckets, the latest used', () => {
  const limit = new RateLimit({ perSecond: 1, burst: 1, now: () => now, maxBuckets: 3 });
  for (let i = 0; i < 100; i += 1) spend(limit, `org${i}`);
  expect(limit.size).toBe(3);
  expect(spend(limit, 'org99')).toBe(1);
});
