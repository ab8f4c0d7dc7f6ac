/**
 * CogmeshErrors over gRPC, both ways: the status is the code's gRPC status, and the trailer `cogmesh-error-bin` carries
 * code, message and details as JSON so that a client can act on them. A peer without the trailer is mapped by status.
 */
import { Metadata, type ServiceError, type StatusObject } from '@grpc/grpc-js';
import {
  CogmeshError,
  errorClasses,
  errorCodeOfGrpcStatus,
  type ErrorDetails,
  isErrorCode,
  type Issue,
  toCogmeshError,
} from '@cogmesh/errors';

export const errorTrailer = 'cogmesh-error-bin';

/** Trailers share HTTP/2's header limits, so an error's evidence is cut to this many bytes of JSON. */
export const MAX_ERROR_TRAILER_BYTES = 12 * 1024;

const MAX_MESSAGE_CHARACTERS = 2_000;

interface WireError {
  readonly code: string;
  readonly message: string;
  readonly details: ErrorDetails;
}

function encode(error: CogmeshError): Buffer {
  const message = error.message.slice(0, MAX_MESSAGE_CHARACTERS);
  let details: ErrorDetails = error.details;
  for (;;) {
    const body = Buffer.from(JSON.stringify({ code: error.code, message, details } satisfies WireError));
    if (body.length <= MAX_ERROR_TRAILER_BYTES) return body;
    details = shorter(details);
  }
}

/** Halves the list of issues, and says how many are left out; without issues, drops the evidence. */
function shorter(details: ErrorDetails): ErrorDetails {
  const issues: readonly Issue[] = details.issues ?? [];
  if (issues.length <= 1) return {};
  const omitted = Number(details['omittedIssues'] ?? 0) + issues.length - (issues.length >> 1);
  return { ...details, issues: issues.slice(0, issues.length >> 1), omittedIssues: omitted };
}

/** gRPC's percent-encoding of `grpc-message` happens in the transport; this is the plain text. */
const statusMessage = (error: CogmeshError) =>
  error.code === 'internal' ? 'internal error' : error.message.slice(0, MAX_MESSAGE_CHARACTERS).replaceAll(/\s+/g, ' ');

/** Status and trailer for an error, for servers and for proxies that answer themselves. */
export function errorStatus(thrown: unknown): { code: number; details: string; trailer: Buffer } {
  const error = toCogmeshError(thrown);
  return {
    code: errorClasses[error.code].grpc,
    details: statusMessage(error),
    trailer: encode(error.code === 'internal' ? new CogmeshError('internal', 'internal error') : error),
  };
}

/** The same, as grpc-js wants it from a server. */
export function toStatus(thrown: unknown): Partial<StatusObject> {
  const { code, details, trailer } = errorStatus(thrown);
  const metadata = new Metadata();
  metadata.set(errorTrailer, trailer);
  return { code, details, metadata };
}

/** What a client throws for a failed call. */
export function fromServiceError(error: ServiceError): CogmeshError {
  const [trailer] = error.metadata?.get(errorTrailer) ?? [];
  const decoded = trailer instanceof Buffer ? decode(trailer) : undefined;
  if (decoded) return new CogmeshError(decoded.code, decoded.message, decoded.details, { cause: error });
  return new CogmeshError(errorCodeOfGrpcStatus(error.code), error.details || error.message, {}, { cause: error });
}

function decode(trailer: Buffer) {
  try {
    const { code, message, details } = JSON.parse(trailer.toString()) as WireError;
    return isErrorCode(code) ? { code, message: String(message), details: details ?? {} } : undefined;
  } catch {
    return undefined;
  }
}
