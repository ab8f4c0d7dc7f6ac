import { CogmeshError, toCogmeshError } from '@cogmesh/errors';
import type { EngineFailure } from './protocol.js';

/** A thrown value as it travels between the processes. */
export function failureOf(thrown: unknown): EngineFailure {
  const { code, message, details } = toCogmeshError(thrown);
  return { code, message, details };
}

/** The error again, on the other side. */
export function errorOfFailure({ code, message, details }: EngineFailure): CogmeshError {
  return new CogmeshError(code, message, details);
}
