/**
 * What a call's headers say, read once: the same path that is checked is the one that is sent on, byte for byte. What cannot be routed
 * exactly is refused here, before anybody is asked whether it may pass.
 */
import type { IncomingHttpHeaders } from 'node:http2';
import { CogmeshError } from '@cogmesh/errors';
import { isMethodPath } from '@cogmesh/enforcement';
import type { Peer } from '@cogmesh/rpc';
import { headerFieldOverheadBytes, maxHeaderFields } from './limits.js';

export interface Call {
  /** `/package.Service/Method`. */
  readonly method: string;
  /** First value of each header, names lower-case, pseudo-headers left out. */
  readonly metadata: ReadonlyMap<string, string>;
  /** Who is at the other end of the connection; absent without mutual TLS. */
  readonly peer?: Peer;
}

/** RFC 9113 calls a message with one of these malformed. */
const connectionHeaders = ['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'];

/** Whether answers take gRPC's form (status in trailers) rather than a problem document. */
export function isGrpc(headers: IncomingHttpHeaders): boolean {
  return /^application\/grpc(?:$|[+;])/i.test(headers['content-type'] ?? '');
}

/** Throws `payload_too_large` for headers over the limit, `invalid_argument` for a path or verb that is no method call. */
export function readCall(headers: IncomingHttpHeaders, maxHeaderBytes: number): Call {
  const metadata = metadataOf(headers, maxHeaderBytes);
  refuseForeign(headers);
  const method = headers[':path'] ?? '';
  if (!isMethodPath(method))
    throw new CogmeshError('invalid_argument', 'the path is not exactly /package.Service/Method');
  if (headers[':method'] !== 'POST') throw new CogmeshError('invalid_argument', 'methods are called with POST');
  return { method, metadata };
}

/** RFC 9113, 8.2.2: what HTTP/1.1 says about one connection has no place here, and is how two servers come to see two requests. */
function refuseForeign(headers: IncomingHttpHeaders): void {
  const { te } = headers;
  if (te !== undefined && te !== 'trailers') throw new CogmeshError('invalid_argument', '`te` may only say "trailers"');
  const foreign = connectionHeaders.find((name) => headers[name] !== undefined);
  if (foreign !== undefined)
    throw new CogmeshError('invalid_argument', `the header "${foreign}" has no meaning in HTTP/2`);
  const authority = headers[':authority'];
  if (authority !== undefined && headers.host !== undefined && headers.host !== authority)
    throw new CogmeshError('invalid_argument', '`host` and `:authority` disagree');
}

/** Every call passes here: one walk over the headers, counting as it goes. */
function metadataOf(headers: IncomingHttpHeaders, maxBytes: number): ReadonlyMap<string, string> {
  const metadata = new Map<string, string>();
  const size: Size = { bytes: 0, fields: 0 };
  for (const name in headers) {
    const value = headers[name];
    const first = Array.isArray(value) ? addAll(size, name, value) : add(size, name, value ?? '');
    if (first !== undefined && value !== undefined && !name.startsWith(':')) metadata.set(name, first);
  }
  if (size.bytes <= maxBytes && size.fields <= maxHeaderFields) return metadata;
  throw new CogmeshError(
    'payload_too_large',
    `the call has ${size.bytes} bytes of metadata in ${size.fields} fields; at most ${maxBytes} in ${maxHeaderFields} pass`,
    { limitBytes: maxBytes },
  );
}

interface Size {
  bytes: number;
  fields: number;
}

/** Headers are one byte a character. */
function add(size: Size, name: string, value: string): string {
  size.bytes += name.length + value.length + headerFieldOverheadBytes;
  size.fields += 1;
  return value;
}

function addAll(size: Size, name: string, values: readonly string[]): string | undefined {
  for (const value of values) add(size, name, value);
  return values[0];
}
