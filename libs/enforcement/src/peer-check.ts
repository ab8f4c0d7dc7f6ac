/**
 * Under mutual TLS a token alone is not enough: it counts only over a connection whose certificate names the service that the token
 * says is calling. A permit is the gateway's, and behind a sidecar everything comes from that sidecar. Without mutual TLS there is no
 * peer, and nothing to compare.
 */
import { CogmeshError } from '@cogmesh/errors';
import type { Peer } from '@cogmesh/rpc';

/** Throws `permission_denied` unless the certificate names `service` and has not expired since the connection was made. */
export function requirePeer(peer: Peer | undefined, service: string, now: number): void {
  if (peer === undefined) return;
  if (peer.expiresAtMs <= now)
    throw new CogmeshError('permission_denied', `the certificate of ${peer.names.join(', ')} has expired`);
  if (peer.names.includes(service)) return;
  throw new CogmeshError(
    'permission_denied',
    `the call is by ${service}, and its connection by ${peer.names.join(', ') || 'nobody with a name'}`,
  );
}
