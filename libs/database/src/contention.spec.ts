import { CogmeshError } from '@cogmesh/errors';
import { expect, it } from 'vitest';
import { contentionError, retryContention } from './contention.js';

const failing = (times: number, error: () => Error) => {
  const work = {
    attempts: 0,
    run: async () => {
      work.attempts += 1;
      if (work.attempts <= times) throw error();
      return 'done';
    },
  };
  return work;
};
const busy = () => contentionError('busy', undefined);

it('tries three times more, then it is unavailable', async () => {
  const enough = failing(3, busy);
  expect(await retryContention(enough.run)).toBe('done');
  const tooOften = failing(4, busy);
  await expect(retryContention(tooOften.run)).rejects.toMatchObject({ code: 'unavailable', retryable: true });
  expect(tooOften.attempts).toBe(4);
});

it('does not repeat what failed for another reason', async () => {
  const lost = failing(1, () => new CogmeshError('unavailable', 'connection lost'));
  await expect(retryContention(lost.run)).rejects.toThrow('connection lost');
  expect(lost.attempts).toBe(1);
});
