/** How long a webhook rests after its n-th failed attempt: ten attempts span a little more than a day. */
const firstMs = 10_000;
const factor = 3;
const maxMs = 24 * 3_600_000;
/** The part of the wait that is random, so that receivers do not get everything back at once. */
const jitter = 0.2;

/** Milliseconds; `attempt` from 1, `random` is 0 <= x < 1. */
export function webhookDelayMs(attempt: number, random: number): number {
  const wait = Math.min(maxMs, firstMs * factor ** Math.min(attempt - 1, 20));
  return Math.round(wait * (1 - jitter * random));
}
