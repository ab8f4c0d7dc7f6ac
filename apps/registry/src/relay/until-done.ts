import { setTimeout as delay } from 'node:timers/promises';
import { CogmeshError, errorClasses } from '@cogmesh/errors';

const FIRST_WAIT_MS = 50;
const MAX_WAIT_MS = 2_000;

/**
 * Repeats the work while a neighbour (broker, database, gateway) cannot be reached or has not declared its queue yet. Any other failure,
 * and the signal, end it with the last error.
 */
export async function untilDone<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(MAX_WAIT_MS, waitMs * 2)) {
    try {
      return await work();
    } catch (thrown) {
      if (signal.aborted || !isOutage(thrown)) throw thrown;
      await delay(waitMs, undefined, { signal }).catch(() => {});
      if (signal.aborted) throw thrown;
    }
  }
}

function isOutage(thrown: unknown): boolean {
  if (!(thrown instanceof CogmeshError)) return false;
  return errorClasses[thrown.code].retryable || thrown.code === 'not_found';
}
