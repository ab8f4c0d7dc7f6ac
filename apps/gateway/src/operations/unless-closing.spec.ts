import { CogmeshError } from '@cogmesh/errors';
import { expect, it } from 'vitest';
import { unlessClosing } from './unless-closing.js';

const cancelled = new CogmeshError('cancelled', 'Cancelled on client');

it('tells whoever was cut off by a stop to come back', async () => {
  await expect(unlessClosing(AbortSignal.abort(), Promise.reject(cancelled))).rejects.toMatchObject({
    code: 'unavailable',
    details: { retryAfterSeconds: 1 },
  });
});

it('leaves every other end as it is', async () => {
  const { signal } = new AbortController();
  await expect(unlessClosing(signal, Promise.reject(cancelled))).rejects.toBe(cancelled);
  await expect(unlessClosing(AbortSignal.abort(), Promise.resolve(1))).resolves.toBe(1);
});
