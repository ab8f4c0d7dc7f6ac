/**
 * What the HTTP parser itself refuses (two ends of a body, a bare line feed, endless headers, a client that is too slow) meets no router
 * and no filter; it gets the same problem document, and its connection ends, because nobody knows where the next request begins.
 */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { CogmeshError, problemMediaType, toProblem } from '@cogmesh/errors';

const reasons: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  431: 'Request Header Fields Too Large',
};

/** Connections whose last answer is given. */
const ending = new WeakSet<Socket>();

/** Whatever the parser says of this connection from now on needs no answer. */
export function isLastAnswer(socket: Socket): void {
  ending.add(socket);
}

export const isEnding = (socket: Socket): boolean => ending.has(socket);

export function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable || ending.has(socket)) return void socket.destroy();
  const status = statusOf(error.code);
  const problem = { ...toProblem(problemOf(status)), status };
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${status} ${reasons[status] ?? 'Bad Request'}`,
    `Content-Type: ${problemMediaType}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Cache-Control: no-store',
    'X-Content-Type-Options: nosniff',
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}

/** RFC 9110, section 10.1.1: nobody here knows an expectation but 100-continue, which never comes this way. */
export function answerExpectation(response: ServerResponse): void {
  const status = 417;
  const error = new CogmeshError('invalid_argument', 'expect: only 100-continue can be expected here');
  if (response.socket !== null) isLastAnswer(response.socket);
  const body = Buffer.from(JSON.stringify({ ...toProblem(error), status }));
  response.writeHead(status, {
    'content-type': problemMediaType,
    'content-length': body.length,
    'cache-control': 'no-store',
    connection: 'close',
  });
  response.end(body);
}

function statusOf(code: string | undefined): number {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 408;
  return code === 'HPE_HEADER_OVERFLOW' ? 431 : 400;
}

function problemOf(status: number): CogmeshError {
  if (status === 408) return new CogmeshError('timeout', 'the request did not arrive in time');
  if (status === 431) return new CogmeshError('payload_too_large', 'the headers of the request are too large');
  return new CogmeshError('invalid_argument', 'the request is not valid HTTP; nothing of it was used');
}
