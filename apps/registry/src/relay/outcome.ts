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

/** The scheduler takes it as a lease that has run out. Said by the registry alone, never by an agent. */
export const lost = (reason: string): Outcome => failure('lease_lost', reason, true);

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
      code: codeOf(code),
      message: clip(message),
      retryable,
      detailsJson: usable ? detailsJson : '{}',
    },
  };
}

/** What is ours to say of an agent it cannot say of itself. */
function codeOf(code: string): string {
  if (code === 'lease_lost') return 'unavailable';
  return isErrorCode(code) ? code : 'task_failed';
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
