/**
 * The one internal request type. REST and gRPC translate to it and back; a use case sees nothing of either.
 * The subject is already authenticated; whether it may do this is the use case's first question.
 */
import type { OutsideSubject } from '@cogmesh/rpc';

export interface OperationRequest<Input> {
  readonly subject: OutsideSubject;
  /** When the caller's token stops being good, milliseconds since the epoch. */
  readonly expiresAtMs: number;
  readonly input: Input;
  /** Aborted when the caller has left. */
  readonly signal: AbortSignal;
  /** The caller's own W3C traceparent, to be recorded as a link. */
  readonly callerTraceparent?: string;
  /** Of a write that whatever decides about this must have seen. */
  readonly consistencyToken?: string;
}

/** One use case. Rejects with a CogmeshError. */
export type Operation<Input, Output> = (request: OperationRequest<Input>) => Promise<Output>;
