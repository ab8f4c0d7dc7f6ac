import type { RetryPolicy } from './limits.js';

export type AfterError = { readonly event: 'retry'; readonly delayMs: number } | { readonly event: 'fail' };

export interface FailedAttempt {
  readonly retryable: boolean;
  /** Counted attempts so far, this one included. */
  readonly attempt: number;
  readonly retry: RetryPolicy;
}

/** Whether a failed attempt is followed by another, and how long to wait. `random` is 0 <= x < 1. */
export function afterError({ retryable, attempt, retry }: FailedAttempt, random: number): AfterError {
  if (!retryable || attempt >= retry.maxAttempts) return { event: 'fail' };
  return { event: 'retry', delayMs: backoffMs(retry, attempt, random) };
}

/** Exponential, capped, then shortened by up to `jitter` of itself so that many failures do not return as one. */
export function backoffMs(retry: RetryPolicy, attempt: number, random: number): number {
  const exponential = Math.min(retry.maxBackoffMs, retry.backoffMs * 2 ** Math.min(attempt - 1, 40));
  return Math.round(exponential * (1 - retry.jitter * random));
}
