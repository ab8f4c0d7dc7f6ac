/** What the guard leaves on a request for its handler, and the internal request made of it. */
import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { CogmeshError } from '@cogmesh/errors';
import type { VerifiedSubject } from '@cogmesh/identity';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { OperationRequest } from '../operations/operation.js';

/** Makes the internal request of an operation from this HTTP request. */
export interface HttpCaller extends VerifiedSubject {
  /** Aborted when the client has left before the answer was complete. */
  readonly signal: AbortSignal;
  ask<Input>(input: Input): OperationRequest<Input>;
}

/** Header that a write answers and a later call may send. */
export const consistencyHeader = 'cogmesh-consistency-token';

const callers = new WeakMap<FastifyRequest, HttpCaller>();

export function admitted(request: FastifyRequest, reply: FastifyReply, verified: VerifiedSubject): void {
  const aborter = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) aborter.abort(new CogmeshError('cancelled', 'the client left'));
  });
  const { traceparent, [consistencyHeader]: consistency } = request.headers;
  const { subject, expiresAtMs } = verified;
  const callerTraceparent = typeof traceparent === 'string' ? { callerTraceparent: traceparent } : {};
  const consistencyToken = typeof consistency === 'string' ? { consistencyToken: consistency } : {};
  callers.set(request, {
    ...verified,
    signal: aborter.signal,
    ask: (input) => ({
      subject,
      expiresAtMs,
      input,
      signal: aborter.signal,
      ...callerTraceparent,
      ...consistencyToken,
    }),
  });
}

/** The authenticated caller of a route that is behind the guard. */
export const Caller = createParamDecorator((_: unknown, context: ExecutionContext): HttpCaller => {
  const caller = callers.get(context.switchToHttp().getRequest<FastifyRequest>());
  if (caller === undefined) throw new CogmeshError('internal', 'this route has no authentication guard');
  return caller;
});
