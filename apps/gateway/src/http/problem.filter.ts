/**
 * Every failure as an RFC 9457 problem document with our stable code, whoever threw it: a use case, Nest, or Fastify while
 * it parsed. What nobody expected is logged with its cause and told as `internal`.
 */
import { Catch, HttpException, Inject, Injectable, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { CogmeshError, problemMediaType, toCogmeshError, toProblem, type ErrorCode } from '@cogmesh/errors';
import { dpopAlgorithms } from '@cogmesh/identity';
import type { Logger } from '@cogmesh/telemetry';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { LOGGER } from './tokens.js';

const codeOfStatus: Readonly<Record<number, ErrorCode>> = {
  400: 'invalid_argument',
  404: 'not_found',
  405: 'method_not_allowed',
  413: 'payload_too_large',
  414: 'invalid_argument',
  415: 'unsupported_media_type',
  429: 'overloaded',
  503: 'unavailable',
};

@Injectable()
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(@Inject(LOGGER) private readonly logger: Logger) {}

  catch(thrown: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    sendProblem(thrown, { request: http.getRequest(), reply: http.getResponse(), logger: this.logger });
  }
}

export interface ProblemTarget {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly logger: Logger;
}

export function sendProblem(thrown: unknown, { request, reply, logger }: ProblemTarget): void {
  const error = knownError(thrown, request);
  const problem = toProblem(error);
  if (problem.status >= 500)
    logger.error({ err: error.cause ?? error, code: error.code, route: request.routeOptions.url }, error.message);
  // Half an answer is on its way; cutting it is the only way left to say that it failed.
  if (reply.raw.headersSent) return void reply.raw.destroy();
  if (!request.raw.complete) stopReading(request);
  const { retryAfterSeconds, allow } = error.details;
  if (typeof allow === 'string') reply.header('allow', allow);
  if (retryAfterSeconds !== undefined) reply.header('retry-after', String(retryAfterSeconds));
  if (problem.status === 401) reply.header('www-authenticate', challenge(error));
  void reply
    .status(problem.status)
    .header('cache-control', 'no-store')
    .type(problemMediaType)
    .send(Buffer.from(JSON.stringify(problem)));
}

/** How long a client may go on sending a body that was refused, so that it can read why, milliseconds. */
const lingerMs = 2_000;

function stopReading({ raw }: FastifyRequest): void {
  const cut = setTimeout(() => raw.destroy(), lingerMs).unref();
  raw.once('close', () => clearTimeout(cut));
}

/** RFC 6750 section 3: no error code where no credentials were sent. */
function challenge(error: CogmeshError): string {
  if (error.code === 'unauthenticated') return 'Bearer realm="cogmesh"';
  const description = error.message.replaceAll(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, ' ').slice(0, 200);
  if (error.code === 'invalid_dpop_proof')
    return `DPoP realm="cogmesh", error="invalid_dpop_proof", error_description="${description}", algs="${dpopAlgorithms.join(' ')}"`;
  return `Bearer realm="cogmesh", error="invalid_token", error_description="${description}"`;
}

function knownError(thrown: unknown, request: FastifyRequest): CogmeshError {
  if (thrown instanceof CogmeshError) return thrown;
  const status = statusOf(thrown);
  const code = status === undefined ? undefined : codeOfStatus[status];
  if (code === undefined) return toCogmeshError(thrown);
  const path = request.url.split('?', 1)[0]?.slice(0, 200) ?? '';
  if (code !== 'not_found') return new CogmeshError(code, (thrown as Error).message, {}, { cause: thrown });
  const allow = methodsAt(request, path).join(', ');
  if (allow === '')
    return new CogmeshError(code, `there is nothing at ${request.method} ${path}; see /docs`, {}, { cause: thrown });
  const message = `${path} is not for ${request.method} but for ${allow}`;
  return new CogmeshError('method_not_allowed', message, { allow }, { cause: thrown });
}

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

/** What may be asked of a path that is a route as it stands; of one with parameters nobody tells. */
const methodsAt = ({ server }: FastifyRequest, url: string): readonly string[] =>
  methods.filter((method) => server.hasRoute({ method, url }));

function statusOf(thrown: unknown): number | undefined {
  if (thrown instanceof HttpException) return thrown.getStatus();
  const { statusCode } = thrown as { statusCode?: unknown };
  return typeof statusCode === 'number' ? statusCode : undefined;
}
