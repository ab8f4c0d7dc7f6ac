import { expect, it } from 'vitest';
import { Throughput } from './throughput.js';

it('finds a steady rate from its first seconds on, and forgets it', () => {
  let nowMs = 0;
  const throughput = new Throughput(() => nowMs);
  expect(throughput.perSecond('a')).toBe(0);
  for (; nowMs < 5_000; nowMs += 50) throughput.note('a');
  expect(throughput.perSecond('a')).toBeGreaterThan(18);
  expect(throughput.perSecond('a')).toBeLessThan(22);
  for (; nowMs < 90_000; nowMs += 50) throughput.note('a');
  expect(throughput.perSecond('a')).toBeGreaterThan(18);
  expect(throughput.perSecond('a')).toBeLessThan(22);
  expect(throughput.perSecond('b')).toBe(0);
  nowMs += 300_000;
  expect(throughput.perSecond('a')).toBeLessThan(0.01);
});
