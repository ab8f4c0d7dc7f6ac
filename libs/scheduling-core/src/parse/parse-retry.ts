/** `retry` of a task: how often, how long between, after which error codes. */
import type { RetryPolicy, RunLimits, TaskDefaults } from '../limits.js';
import type { ObjectReader } from './object-reader.js';

const fields = ['maxAttempts', 'backoffMs', 'maxBackoffMs', 'factor', 'jitter', 'on', 'notOn'];
const maxCodes = 32;
const codePattern = /^[a-z][a-z0-9_]{0,63}$/;

export function readRetry(
  reader: ObjectReader,
  { limits, defaults }: { readonly limits: RunLimits; readonly defaults: TaskDefaults },
): RetryPolicy {
  const retry = reader.object('retry');
  if (!retry) return defaults.retry;
  retry.allowOnly(fields);
  const duration = { min: 0, max: limits.maxDurationMs };
  const backoffMs = retry.number('backoffMs', duration) ?? defaults.retry.backoffMs;
  const factor = retry.number('factor', { min: 1, max: 10, integer: false });
  const on = readCodes(retry, 'on');
  const notOn = readCodes(retry, 'notOn');
  reportBoth(retry, on, notOn);
  return {
    maxAttempts: retry.number('maxAttempts', { min: 1, max: limits.maxAttempts }) ?? defaults.retry.maxAttempts,
    backoffMs,
    maxBackoffMs: retry.number('maxBackoffMs', duration) ?? Math.max(backoffMs, defaults.retry.maxBackoffMs),
    jitter: retry.number('jitter', { min: 0, max: 1, integer: false }) ?? defaults.retry.jitter,
    ...(factor === undefined ? {} : { factor }),
    ...(on === undefined ? {} : { on }),
    ...(notOn === undefined ? {} : { notOn }),
  };
}

function reportBoth(retry: ObjectReader, on: readonly string[] = [], notOn: readonly string[] = []): void {
  const both = on.findIndex((code) => notOn.includes(code));
  if (both >= 0) retry.issue(`on[${both}]`, 'conflict', `"${on[both]}" is in notOn as well`);
}

/** Agents have codes of their own, so any well-formed code may be named. */
function readCodes(retry: ObjectReader, field: string): string[] | undefined {
  return retry.list(field, { max: maxCodes })?.flatMap((code, index) => {
    if (typeof code === 'string' && codePattern.test(code)) return [code];
    retry.issue(`${field}[${index}]`, 'invalid_code', `must be an error code such as "engine_crashed"`);
    return [];
  });
}
