import type { RetryPolicy } from './limits.js';

const defaultFactor = 2;

export type AfterError = { readonly event: 'retry'; readonly delayMs: number } | { readonly event: 'fail' };

export interface FailedAttempt {
  /** Code of the error. */
  readonly code: string;
  /** What the error says of itself; a policy that names codes overrules it. */
  readonly retryable: boolean;
  /** Counted attempts so far, this one included. */
  readonly attempt: number;
  readonly retry: RetryPolicy;
}

/** Whether a failed attempt is followed by another, and how long to wait. `random` is 0 <= x < 1. */
export function afterError(failed: FailedAttempt, random: number): AfterError {
  const { attempt, retry } = failed;
  if (!isTriedAgain(failed) || attempt >= retry.maxAttempts) return { event: 'fail' };
  return { event: 'retry', delayMs: backoffMs(retry, attempt, random) };
}

function isTriedAgain({ code, retryable, retry }: FailedAttempt): boolean {
  if (retry.notOn?.includes(code)) return false;
  return retry.on === undefined ? retryable : retry.on.includes(code);
}

/** Exponential, capped, then shortened by up to `jitter` of itself so that many failures do not return as one. */
export function backoffMs(retry: RetryPolicy, attempt: number, random: number): number {
  const exponential = Math.min(
    retry.maxBackoffMs,
    retry.backoffMs * (retry.factor ?? defaultFactor) ** Math.min(attempt - 1, 40),
  );
  return Math.round(exponential * (1 - retry.jitter * random));
}
