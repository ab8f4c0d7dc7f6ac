/** What became of an attempt, in the contract's words and limits. */
import type { CogmeshError } from '@cogmesh/errors';
import { toCogmeshError } from '@cogmesh/errors';
import type { ResultInit } from './report.js';

export type Outcome = NonNullable<ResultInit['outcome']>;

/** Contract: work.proto and common.proto. */
export const inlineOutputBytes = 64 * 1024;
const maxDetailsCharacters = 16 * 1024;
const maxMessageCharacters = 2000;

export function returned(code: string, reason: string): Outcome {
  return { case: 'returned', value: { code, reason: reason.slice(0, maxMessageCharacters) } };
}

/** An attempt that began, or can never succeed, and failed. */
export function failed(thrown: unknown): Outcome {
  const { code, message, details, retryable } = toCogmeshError(thrown);
  const detailsJson = JSON.stringify(details);
  return {
    case: 'error',
    value: {
      code,
      message: message.slice(0, maxMessageCharacters),
      retryable,
      detailsJson: detailsJson.length <= maxDetailsCharacters ? detailsJson : '{}',
    },
  };
}

/** Reasons for which work that never began goes back to the scheduler without being counted, and the word for each. */
const handedBack: Readonly<Record<string, string>> = {
  timeout: 'expired',
  overloaded: 'overloaded',
  unavailable: 'overloaded',
  engine_crashed: 'overloaded',
  stale_policy: 'stale_policy',
};

/** The outcome of an attempt that ended before it reached an engine. */
export function endedUnstarted(thrown: unknown, draining: boolean): Outcome {
  const error: CogmeshError = toCogmeshError(thrown);
  const code = draining && error.code === 'cancelled' ? 'draining' : handedBack[error.code];
  return code === undefined ? failed(error) : returned(code, error.message);
}
