import { setImmediate } from 'node:timers/promises';

/** Longest stretch of computing between two turns of the event loop, milliseconds: leases are renewed on this thread. */
const stretchMs = 15;

/** Call between pieces of work: lets others have a turn when enough time has passed. */
export function breather(): () => Promise<void> {
  let since = performance.now();
  return async () => {
    if (performance.now() - since < stretchMs) return;
    await setImmediate();
    since = performance.now();
  };
}
