/**
 * What of a call's headers goes on. Hop-by-hop headers end here, and so does every header with which a caller could pretend to have been
 * identified or checked by somebody in front: ours in any spelling, and the usual ones of other proxies.
 */
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2';
import { isIdentityHeader } from '@cogmesh/enforcement';

const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authorization',
  'transfer-encoding',
  'upgrade',
  'host',
  'http2-settings',
]);

/** The caller's headers as they may go on to the service, pseudo-headers included. */
export function forwardedHeaders(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  const listed = namesIn(headers.connection);
  return kept(headers, (name) => !hopByHop.has(name) && !listed.includes(name) && !isIdentityHeader(name));
}

/** The service's headers or trailers as they may go back. */
export function returnedHeaders(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  return kept(headers, (name) => !hopByHop.has(name));
}

/** Names are lower-case tokens, so that none of them means something to an object. */
function kept(headers: IncomingHttpHeaders, goesOn: (name: string) => boolean): OutgoingHttpHeaders {
  const found: OutgoingHttpHeaders = {};
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined && name !== '__proto__' && goesOn(name)) found[name] = value;
  }
  return found;
}

function namesIn(connection: string | undefined): string[] {
  return connection === undefined ? [] : connection.split(',').map((name) => name.trim().toLowerCase());
}
