/** What jose throws, as a CogmeshError with a sentence a person can act on. Never repeats the token. */
import { CogmeshError, type ErrorCode } from '@cogmesh/errors';
import { errors } from 'jose';

export interface FailureNames {
  readonly noun: string;
  readonly code: ErrorCode;
  readonly expiredCode: ErrorCode;
}

/** Always returns an error of `names.code` or `names.expiredCode`; anything unexpected becomes `names.code` and keeps its cause. */
export function tokenFailure(thrown: unknown, names: FailureNames): CogmeshError {
  if (thrown instanceof CogmeshError) return thrown;
  if (thrown instanceof errors.JWTExpired) {
    return new CogmeshError(
      names.expiredCode,
      `the ${names.noun} has expired (${thrown.claim})`,
      { claim: thrown.claim },
      { cause: thrown },
    );
  }
  return new CogmeshError(names.code, sentence(thrown, names.noun), evidence(thrown), { cause: thrown });
}

function sentence(thrown: unknown, noun: string): string {
  if (thrown instanceof errors.JWTClaimValidationFailed) {
    return thrown.reason === 'missing'
      ? `the ${noun} lacks the claim "${thrown.claim}"`
      : `the ${noun} has an unacceptable "${thrown.claim}"`;
  }
  if (thrown instanceof errors.JOSEAlgNotAllowed)
    return `the ${noun} is signed with an algorithm that is not accepted here`;
  if (thrown instanceof errors.JWKSNoMatchingKey) return `the ${noun} names no key that its issuer has registered`;
  if (thrown instanceof errors.JWKSMultipleMatchingKeys)
    return `the ${noun} has no "kid" and its issuer has several keys`;
  if (thrown instanceof errors.JWSSignatureVerificationFailed) return `the ${noun} has a wrong signature`;
  return `the ${noun} cannot be verified`;
}

function evidence(thrown: unknown): Record<string, unknown> {
  return thrown instanceof errors.JWTClaimValidationFailed ? { claim: thrown.claim } : {};
}
