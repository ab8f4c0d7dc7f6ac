/**
 * Statements that lost against a neighbour (serialisation failure, deadlock, busy file) and may be run again. They are
 * `unavailable` to a caller once the retries are spent.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { CogmeshError } from '@cogmesh/errors';

/** After the first try. */
const maxRetries = 3;
/** Longest pause before the n-th retry is n times this, milliseconds; the actual pause is random below it. */
const retryPauseMs = 20;

export const contentionError = (message: string, cause: unknown) =>
  new CogmeshError('unavailable', message, { contention: true }, { cause });

export const isContention = (thrown: unknown) =>
  thrown instanceof CogmeshError && thrown.details['contention'] === true;

/** Runs `work` again, up to three times, while it fails by contention. */
export async function retryContention<T>(work: () => Promise<T>): Promise<T> {
  for (let retry = 1; ; retry += 1) {
    try {
      return await work();
    } catch (thrown) {
      if (retry > maxRetries || !isContention(thrown)) throw thrown;
      await delay(Math.random() * retryPauseMs * retry);
    }
  }
}
