/** The sidecar's own answers: gRPC trailers-only with our error beside the status, or a problem document for plain HTTP. */
import { constants, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { errorClasses, problemMediaType, toCogmeshError, toProblem } from '@cogmesh/errors';
import { errorStatus, errorTrailer } from '@cogmesh/rpc';

/** `grpc-status`, `grpc-message` and the trailer that libs/rpc turns back into the error. */
export function statusTrailers(thrown: unknown): OutgoingHttpHeaders {
  const { code, details, trailer } = errorStatus(thrown);
  return {
    'grpc-status': String(code),
    'grpc-message': percentEncoded(details),
    [errorTrailer]: trailer.toString('base64'),
  };
}

/** Answers a call that was not forwarded, and asks the caller to send no more of it. */
export function refuse(stream: ServerHttp2Stream, thrown: unknown, grpc: boolean): void {
  if (stream.destroyed || stream.closed || stream.headersSent) return;
  if (grpc) {
    stream.respond(
      { ':status': 200, 'content-type': 'application/grpc', ...statusTrailers(thrown) },
      { endStream: true },
    );
  } else {
    const error = toCogmeshError(thrown);
    const { retryAfterSeconds } = error.details;
    stream.respond({
      ':status': errorClasses[error.code].http,
      'content-type': problemMediaType,
      ...(retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) }),
    });
    stream.end(JSON.stringify(toProblem(error)));
  }
  // RFC 9113, 8.1: the answer is complete, the rest of the request is not wanted.
  if (stream.writableFinished) stream.close(constants.NGHTTP2_NO_ERROR);
  else stream.once('finish', () => stream.close(constants.NGHTTP2_NO_ERROR));
}

/** gRPC's `Percent-Byte-Encoded`: everything but printable ASCII, and the percent sign. */
function percentEncoded(text: string): string {
  return Array.from(Buffer.from(text), (byte) =>
    byte >= 0x20 && byte <= 0x7e && byte !== 0x25
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
  ).join('');
}
