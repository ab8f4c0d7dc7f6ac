/**
 * How a sidecar proves to the service behind it that a call passed through it: an HMAC-SHA256, under the 32-byte secret the two share,
 * over the method, the digest of the authorization value and the time. A valid permit without it is a direct call and refused.
 * Form: `v1.<unix ms>.<base64url of the HMAC>`.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { CogmeshError } from '@cogmesh/errors';
import { sidecarProofMaxAgeMs } from './limits.js';

/** Header that carries the proof. A sidecar removes it, in every spelling, from what comes in. */
export const sidecarProofHeader = 'cogmesh-sidecar-proof';

/** The shared secret's length, bytes. */
export const sidecarSecretBytes = 32;

/** What a proof speaks about. */
export interface ProvenCall {
  /** Full gRPC method, or HTTP path. */
  readonly method: string;
  /** The `authorization` header exactly as forwarded; empty when there is none. */
  readonly authorization: string;
}

const form = /^v1\.(\d{1,16})\.([A-Za-z0-9_-]{43})$/;

/** A maker of proofs under the secret; call it once per forwarded call. */
export function createSidecarProof(secret: Uint8Array, now: () => number = Date.now): (call: ProvenCall) => string {
  return (call) => {
    const atMs = Math.floor(now());
    return `v1.${atMs}.${macOf(secret, call, atMs).toString('base64url')}`;
  };
}

/** Throws `direct_call` unless the proof is genuine, for this call, and at most 30 s old. */
export function verifySidecarProof(
  proof: string | undefined,
  call: ProvenCall,
  { secret, now = Date.now }: { secret: Uint8Array; now?: () => number },
): void {
  if (proof === undefined) throw refused('it carries no proof of its sidecar');
  const [, time = '', mac = ''] = form.exec(proof) ?? [];
  if (mac === '') throw refused('its proof is malformed');
  const given = Buffer.from(mac, 'base64url');
  const expected = macOf(secret, call, Number(time));
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) throw refused('its proof is not genuine');
  if (Math.abs(now() - Number(time)) > sidecarProofMaxAgeMs) throw refused('its proof is too old');
}

function macOf(secret: Uint8Array, { method, authorization }: ProvenCall, atMs: number): Buffer {
  const digest = createHash('sha256').update(authorization).digest('hex');
  return createHmac('sha256', secret).update(`${method.length}:${method}${digest}${atMs}`).digest();
}

const refused = (why: string): CogmeshError =>
  new CogmeshError('direct_call', `the call did not come through this service's sidecar: ${why}`);
