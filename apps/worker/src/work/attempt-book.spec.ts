import { CogmeshError } from '@cogmesh/errors';
import { describe, expect, it } from 'vitest';
import { AttemptBook, type HeldAttempt } from './attempt-book.js';

/** Work that ends when told to. */
function pending() {
  const end = Promise.withResolvers<void>();
  const runs: HeldAttempt[] = [];
  const work = (held: HeldAttempt): Promise<void> => {
    runs.push(held);
    return end.promise;
  };
  return { end, runs, work };
}

describe('AttemptBook', () => {
  it('runs an attempt once however often it is delivered, and lists it while it is held', async () => {
    const book = new AttemptBook();
    const { end, runs, work } = pending();
    const deliveries = [book.once('a', work), book.once('a', work)];
    expect(book.ids).toEqual(['a']);
    end.resolve();
    await Promise.all(deliveries);
    await book.once('a', work);
    expect(runs).toHaveLength(1);
    expect(book.ids).toEqual([]);
  });

  it('runs an attempt again when its result could not be reported', async () => {
    const book = new AttemptBook();
    await expect(book.once('a', () => Promise.reject(new Error('no broker')))).rejects.toThrow('no broker');
    const { end, runs, work } = pending();
    end.resolve();
    await book.once('a', work);
    expect(runs).toHaveLength(1);
  });

  it('cancels by id, and hands back only what has not begun', () => {
    const book = new AttemptBook();
    const { runs, work } = pending();
    for (const id of ['a', 'b', 'c']) void book.once(id, work);
    (runs[1] as HeldAttempt).started = true;
    book.cancel(['c', 'unknown'], 'not wanted');
    book.abortUnstarted(new CogmeshError('cancelled', 'draining'));
    expect(runs.map(({ signal }) => signal.aborted)).toEqual([true, false, true]);
    expect((runs[2]?.signal.reason as CogmeshError).message).toBe('not wanted');
  });
});
