/**
 * How a sidecar proves to the service behind it that a call passed through it: an HMAC-SHA256, under the 32-byte secret the two share,
 * over the method, the authorization value and the time. A valid permit without it is a direct call and refused.
 * Form: `v1.<unix ms>.<base64url of the HMAC>`.
 */
import { hash, timingSafeEqual } from 'node:crypto';
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
  const pads = padsOf(secret);
  return (call) => {
    const atMs = Math.floor(now());
    return `v1.${atMs}.${macOf(pads, call, atMs).toString('base64url')}`;
  };
}

/**
 * A checker of proofs under the secret; make it once. It throws `direct_call` unless the proof is genuine, for this call, and at most
 * 30 s old.
 */
export function createProofCheck(
  secret: Uint8Array,
  now: () => number = Date.now,
): (proof: string | undefined, call: ProvenCall) => void {
  const pads = padsOf(secret);
  return (proof, call) => {
    if (proof === undefined) throw refused('it carries no proof of its sidecar');
    const [, time = '', mac = ''] = form.exec(proof) ?? [];
    if (mac === '') throw refused('its proof is malformed');
    const given = Buffer.from(mac, 'base64url');
    const expected = macOf(pads, call, Number(time));
    if (given.length !== expected.length || !timingSafeEqual(given, expected))
      throw refused('its proof is not genuine');
    if (Math.abs(now() - Number(time)) > sidecarProofMaxAgeMs) throw refused('its proof is too old');
  };
}

/** Bytes of SHA-256's block. */
const blockBytes = 64;

interface Pads {
  readonly inner: Buffer;
  readonly outer: Buffer;
}

/** RFC 2104 with one-shot hashes: an HMAC object per call costs more than everything else that is done for it. */
function padsOf(secret: Uint8Array): Pads {
  if (secret.length > blockBytes) throw new CogmeshError('invalid_config', 'a sidecar secret has at most 64 bytes');
  const pad = (byte: number): Buffer => {
    const block = Buffer.alloc(blockBytes, byte);
    for (const [at, value] of secret.entries()) block[at] = value ^ byte;
    return block;
  };
  return { inner: pad(0x36), outer: pad(0x5c) };
}

function macOf({ inner, outer }: Pads, { method, authorization }: ProvenCall, atMs: number): Buffer {
  const text = `${method.length}:${method}${authorization.length}:${authorization}${atMs}`;
  const within = hash('sha256', Buffer.concat([inner, Buffer.from(text)]), 'buffer');
  return hash('sha256', Buffer.concat([outer, within]), 'buffer');
}

const refused = (why: string): CogmeshError =>
  new CogmeshError('direct_call', `the call did not come through this service's sidecar: ${why}`);
