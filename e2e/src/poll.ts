import { setTimeout as delay } from 'node:timers/promises';

export interface PollOptions {
  /** Default 30,000. */
  readonly timeoutMs?: number;
  /** Between two looks, milliseconds. Default 25. */
  readonly everyMs?: number;
}

/** The first value of `look` that is neither undefined nor false; an error that says what never came when time is up. */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  { timeoutMs = 30_000, everyMs = 25 }: PollOptions = {},
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  let lastError: unknown;
  do {
    try {
      const found = await look();
      if (found !== undefined && found !== false) return found;
      lastError = undefined;
    } catch (thrown) {
      lastError = thrown;
    }
    await delay(everyMs);
  } while (Date.now() < deadline);
  throw new Error(`${what}: not within ${timeoutMs} ms`, { cause: lastError });
}
