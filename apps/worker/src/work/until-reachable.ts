import { setTimeout as delay } from 'node:timers/promises';
import { CogmeshError } from '@cogmesh/errors';

const firstWaitMs = 50;
const lastWaitMs = 2000;

export interface UntilReachableOptions {
  /** Gives up, with the last error, when it is aborted. */
  readonly signal: AbortSignal;
  /** Whether the failure is the neighbour's absence. */
  readonly isOutage: (error: CogmeshError) => boolean;
}

/** Repeats the work, with back-off, while a neighbour is away. Any other failure ends it. */
export async function untilReachable<T>(
  work: () => Promise<T>,
  { signal, isOutage }: UntilReachableOptions,
): Promise<T> {
  for (let waitMs = firstWaitMs; ; waitMs = Math.min(lastWaitMs, 2 * waitMs)) {
    try {
      return await work();
    } catch (thrown) {
      if (signal.aborted || !(thrown instanceof CogmeshError) || !isOutage(thrown)) throw thrown;
      await delay(waitMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) throw thrown;
    }
  }
}
