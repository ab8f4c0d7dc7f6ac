import type { CogmeshError } from './cogmesh-error.js';
import { errorClasses } from './codes.js';

/** RFC 9457 problem document with our stable `code`. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly errors?: readonly unknown[];
  readonly [extension: string]: unknown;
}

export const problemMediaType = 'application/problem+json';

/** The document a caller sees. An internal error's message stays inside; the log has it. */
export function toProblem(error: CogmeshError): Problem {
  const { http } = errorClasses[error.code];
  const { issues, ...evidence } = error.details;
  return {
    ...(error.code === 'internal' ? {} : evidence),
    type: `urn:cogmesh:error:${error.code}`,
    title: error.code.replaceAll('_', ' '),
    status: http,
    code: error.code,
    detail: error.code === 'internal' ? 'An internal error; the trace id finds it in the logs.' : error.message,
    ...(issues ? { errors: issues } : {}),
  };
}
