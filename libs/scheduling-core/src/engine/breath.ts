import type { Clock } from './ports.js';

/** Longest stretch of computing between two turns of the event loop, milliseconds: reports and leases come on this thread. */
export const stretchMs = 15;

/** Call between pieces of work: lets others have a turn when enough time has passed. */
export function breather(clock: Pick<Clock, 'now' | 'soon'>): () => Promise<void> | undefined {
  let since = clock.now();
  return () => {
    if (clock.now() - since < stretchMs) return undefined;
    return new Promise((resolve) =>
      clock.soon(() => {
        since = clock.now();
        resolve();
      }),
    );
  };
}
