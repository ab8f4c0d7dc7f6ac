import { expect, it } from 'vitest';
import { webhookDelayMs } from './webhook-delay.js';

it('grows threefold, shortened by up to a fifth, and ten attempts span about a day', () => {
  expect(webhookDelayMs(1, 0)).toBe(10_000);
  expect(webhookDelayMs(2, 0)).toBe(30_000);
  expect(webhookDelayMs(2, 0.5)).toBe(27_000);
  const span = Array.from({ length: 9 }, (_, index) => webhookDelayMs(index + 1, 0.5)).reduce((a, b) => a + b);
  expect(span / 3_600_000).toBeGreaterThan(22);
  expect(span / 3_600_000).toBeLessThan(28);
  expect(webhookDelayMs(50, 0)).toBe(24 * 3_600_000);
});
