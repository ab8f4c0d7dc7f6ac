/**
 * The authenticator of a service that stands behind a sidecar. The sidecar has checked policy and replay; here the call must prove that it
 * came from the sidecar, and the token is verified once more so that who calls is read from a signature and never from a header.
 */
import type { InsideTokenVerifier } from '@cogmesh/identity';
import { sidecarName, type Authenticate } from '@cogmesh/rpc';
import { CogmeshError } from '@cogmesh/errors';
import { credentialsOf } from './credentials.js';
import { anonymousMethods } from './methods.js';
import { requirePeer } from './peer-check.js';
import { createProofCheck, sidecarProofHeader } from './sidecar-proof.js';

export interface BehindSidecarOptions {
  readonly service: string;
  readonly secret: Uint8Array;
  /** Methods that anybody may call through the sidecar, beside those that are anonymous everywhere. */
  readonly anonymous?: ReadonlySet<string>;
  readonly verifier: Pick<InsideTokenVerifier, 'verifyPermit' | 'verifyServiceToken'>;
  /** Milliseconds since 1970. Default: the system clock. */
  readonly now?: () => number;
}

/** Refuses with `direct_call` what carries no proof of the sidecar, anonymous methods included. */
export function createBehindSidecar(options: BehindSidecarOptions): Authenticate {
  const { service, secret, verifier, anonymous, now = Date.now } = options;
  const checkProof = createProofCheck(secret, now);
  return async ({ method, metadata, peer }) => {
    requirePeer(peer, sidecarName(service), now());
    const authorization = metadata.get('authorization') ?? '';
    checkProof(metadata.get(sidecarProofHeader), { method, authorization });
    if (anonymousMethods.has(method) || anonymous?.has(method) === true) return { kind: 'anonymous' };
    const { kind, token } = credentialsOf(metadata);
    if (kind === 'service')
      return { kind: 'service', service: (await verifier.verifyServiceToken(token, service)).service };
    const permit = await verifier.verifyPermit(token, service);
    if (permit.method !== method)
      throw new CogmeshError('invalid_permit', `the permit is for ${permit.method}, not for ${method}`);
    const { subject, access, id: permitId, met } = permit;
    return { kind: 'subject', subject, access, permitId, ...(met === undefined ? {} : { met }) };
  };
}
