/** What an agent said about an attempt, cut to what the contract allows: an agent is a stranger's program. */
import type { workV1 } from '@cogmesh/contracts';
import { isErrorCode } from '@cogmesh/errors';
import type { ResultInit } from './scheduler-mail.js';

export type Outcome = NonNullable<ResultInit['outcome']>;

const MAX_MESSAGE_CHARACTERS = 2_000;
const MAX_DETAILS_CHARACTERS = 16 * 1024;
const returnCodes = new Set(['expired', 'draining', 'overloaded']);

export const failure = (code: string, message: string, retryable = false): Outcome => ({
  case: 'error',
  value: { code, message, retryable, detailsJson: '{}' },
});

export const returned = (code: string, reason: string): Outcome => ({ case: 'returned', value: { code, reason } });

/** `started`: whether the agent had said it began; then it can no longer hand the work back for nothing. */
export function outcomeOf({ outcome }: workV1.Result, started: boolean): Outcome {
  switch (outcome.case) {
    case 'outputJson':
      return isJson(outcome.value) ? outcome : failure('task_failed', "the agent's output is not JSON");
    case 'error':
      return errorOf(outcome.value);
    case 'returned':
      return started
        ? failure('unavailable', `the agent gave up: ${clip(outcome.value.reason)}`, true)
        : returned(returnCodes.has(outcome.value.code) ? outcome.value.code : 'overloaded', clip(outcome.value.reason));
    default:
      return failure('task_failed', 'the agent ended the attempt without an outcome');
  }
}

function errorOf({
  code,
  message,
  retryable,
  detailsJson,
}: NonNullable<Extract<workV1.Result['outcome'], { case: 'error' }>>['value']): Outcome {
  const usable = detailsJson.length <= MAX_DETAILS_CHARACTERS && isJson(detailsJson);
  return {
    case: 'error',
    value: {
      code: isErrorCode(code) ? code : 'task_failed',
      message: clip(message),
      retryable,
      detailsJson: usable ? detailsJson : '{}',
    },
  };
}

const clip = (text: string) => text.slice(0, MAX_MESSAGE_CHARACTERS);

/** Whether the text is one JSON value. */
export function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
