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
  const listed = new Set(namesIn(headers.connection));
  const kept = Object.entries(headers).filter(
    ([name, value]) => value !== undefined && !hopByHop.has(name) && !listed.has(name) && !isIdentityHeader(name),
  );
  return Object.fromEntries(kept);
}

/** The service's headers or trailers as they may go back. */
export function returnedHeaders(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  return Object.fromEntries(
    Object.entries(headers).filter(([name, value]) => value !== undefined && !hopByHop.has(name)),
  );
}

function namesIn(connection: string | undefined): string[] {
  return (connection ?? '').split(',').map((name) => name.trim().toLowerCase());
}
