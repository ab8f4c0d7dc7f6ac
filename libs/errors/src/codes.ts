/**
 * The closed set of error codes, each with the gRPC status and HTTP status it becomes at an edge.
 * A code is public and stable: add, never rename. A caller can act on every one of them.
 */

/** Canonical gRPC status numbers (grpc/doc/statuscodes.md), named here so that cores need no gRPC. */
export const GrpcStatus = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

interface ErrorClass {
  readonly grpc: number;
  readonly http: number;
  /** Whether the same request may succeed later without a change. */
  readonly retryable: boolean;
}

const of = (grpc: number, http: number, retryable = false): ErrorClass => ({ grpc, http, retryable });

export const errorClasses = {
  // The request is wrong.
  invalid_argument: of(GrpcStatus.INVALID_ARGUMENT, 400),
  invalid_json: of(GrpcStatus.INVALID_ARGUMENT, 400),
  invalid_run: of(GrpcStatus.INVALID_ARGUMENT, 400),
  invalid_policy: of(GrpcStatus.INVALID_ARGUMENT, 400),
  invalid_expression: of(GrpcStatus.INVALID_ARGUMENT, 400),
  invalid_input: of(GrpcStatus.INVALID_ARGUMENT, 400),
  invalid_tensor: of(GrpcStatus.INVALID_ARGUMENT, 400),
  invalid_image: of(GrpcStatus.INVALID_ARGUMENT, 400),
  invalid_audio: of(GrpcStatus.INVALID_ARGUMENT, 400),
  invalid_model: of(GrpcStatus.INVALID_ARGUMENT, 400),
  unknown_model: of(GrpcStatus.INVALID_ARGUMENT, 400),
  payload_too_large: of(GrpcStatus.RESOURCE_EXHAUSTED, 413),
  unsupported_media_type: of(GrpcStatus.INVALID_ARGUMENT, 415),
  method_not_allowed: of(GrpcStatus.UNIMPLEMENTED, 405),
  // The caller is not who or what it must be.
  unauthenticated: of(GrpcStatus.UNAUTHENTICATED, 401),
  invalid_token: of(GrpcStatus.UNAUTHENTICATED, 401),
  expired_token: of(GrpcStatus.UNAUTHENTICATED, 401),
  unknown_issuer: of(GrpcStatus.UNAUTHENTICATED, 401),
  invalid_dpop_proof: of(GrpcStatus.UNAUTHENTICATED, 401),
  invalid_permit: of(GrpcStatus.UNAUTHENTICATED, 401),
  replayed_permit: of(GrpcStatus.UNAUTHENTICATED, 401),
  direct_call: of(GrpcStatus.UNAUTHENTICATED, 401),
  revoked: of(GrpcStatus.UNAUTHENTICATED, 401),
  permission_denied: of(GrpcStatus.PERMISSION_DENIED, 403),
  invalid_grant: of(GrpcStatus.PERMISSION_DENIED, 403),
  // The state of things forbids it.
  not_found: of(GrpcStatus.NOT_FOUND, 404),
  already_exists: of(GrpcStatus.ALREADY_EXISTS, 409),
  idempotency_conflict: of(GrpcStatus.ALREADY_EXISTS, 409),
  conflict: of(GrpcStatus.ABORTED, 409),
  failed_precondition: of(GrpcStatus.FAILED_PRECONDITION, 409),
  // Later may be better.
  rate_limited: of(GrpcStatus.RESOURCE_EXHAUSTED, 429, true),
  overloaded: of(GrpcStatus.RESOURCE_EXHAUSTED, 429, true),
  stale_policy: of(GrpcStatus.UNAVAILABLE, 503, true),
  unavailable: of(GrpcStatus.UNAVAILABLE, 503, true),
  timeout: of(GrpcStatus.DEADLINE_EXCEEDED, 504, true),
  cancelled: of(GrpcStatus.CANCELLED, 499),
  // Work that failed.
  script_error: of(GrpcStatus.INVALID_ARGUMENT, 400),
  script_timeout: of(GrpcStatus.DEADLINE_EXCEEDED, 504),
  script_memory: of(GrpcStatus.RESOURCE_EXHAUSTED, 400),
  engine_crashed: of(GrpcStatus.UNAVAILABLE, 503, true),
  lease_lost: of(GrpcStatus.ABORTED, 409, true),
  queue_timeout: of(GrpcStatus.DEADLINE_EXCEEDED, 504),
  task_failed: of(GrpcStatus.ABORTED, 409),
  output_too_large: of(GrpcStatus.RESOURCE_EXHAUSTED, 413),
  // Our side.
  invalid_config: of(GrpcStatus.FAILED_PRECONDITION, 500),
  unimplemented: of(GrpcStatus.UNIMPLEMENTED, 501),
  internal: of(GrpcStatus.INTERNAL, 500),
  data_loss: of(GrpcStatus.DATA_LOSS, 500),
} as const satisfies Record<string, ErrorClass>;

export type ErrorCode = keyof typeof errorClasses;

export function isErrorCode(value: string): value is ErrorCode {
  return Object.hasOwn(errorClasses, value);
}

const fallbackByGrpcStatus = new Map<number, ErrorCode>([
  [GrpcStatus.CANCELLED, 'cancelled'],
  [GrpcStatus.INVALID_ARGUMENT, 'invalid_argument'],
  [GrpcStatus.DEADLINE_EXCEEDED, 'timeout'],
  [GrpcStatus.NOT_FOUND, 'not_found'],
  [GrpcStatus.ALREADY_EXISTS, 'already_exists'],
  [GrpcStatus.PERMISSION_DENIED, 'permission_denied'],
  [GrpcStatus.RESOURCE_EXHAUSTED, 'overloaded'],
  [GrpcStatus.FAILED_PRECONDITION, 'failed_precondition'],
  [GrpcStatus.ABORTED, 'conflict'],
  [GrpcStatus.UNIMPLEMENTED, 'unimplemented'],
  [GrpcStatus.UNAVAILABLE, 'unavailable'],
  [GrpcStatus.DATA_LOSS, 'data_loss'],
  [GrpcStatus.UNAUTHENTICATED, 'unauthenticated'],
]);

/** The code for a bare gRPC status, from a peer that sent no code of ours. */
export function errorCodeOfGrpcStatus(status: number): ErrorCode {
  return fallbackByGrpcStatus.get(status) ?? 'internal';
}
