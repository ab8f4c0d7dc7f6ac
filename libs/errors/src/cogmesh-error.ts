import { errorClasses, type ErrorCode } from './codes.js';

/** One thing wrong with a document, located so that a person can fix it. */
export interface Issue {
  /** `tasks[3].depends[0]`. */
  readonly path: string;
  readonly code: string;
  readonly message: string;
}

export interface ErrorDetails {
  /** Every problem at once, for documents. */
  readonly issues?: readonly Issue[];
  /** Seconds a caller should wait before it tries again. */
  readonly retryAfterSeconds?: number;
  /** Anything else that helps: ids, limits, observed values. JSON-serialisable. */
  readonly [evidence: string]: unknown;
}

/** The one error type of the product: a stable code, a sentence for a person, evidence for a program. */
export class CogmeshError extends Error {
  override readonly name = 'CogmeshError';
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.details = details;
  }

  get retryable(): boolean {
    return errorClasses[this.code].retryable;
  }
}

/** Any thrown value as a CogmeshError; what we did not expect is `internal` and keeps its cause. */
export function toCogmeshError(thrown: unknown): CogmeshError {
  if (thrown instanceof CogmeshError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new CogmeshError('internal', message, {}, { cause: thrown });
}
