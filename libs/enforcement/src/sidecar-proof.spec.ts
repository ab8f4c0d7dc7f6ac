import { createHmac, randomBytes } from 'node:crypto';
import { CogmeshError } from '@cogmesh/errors';
import { describe, expect, it } from 'vitest';
import { createProofCheck, createSidecarProof } from './sidecar-proof.js';

const secret = randomBytes(32);
const call = { method: '/a.B/C', authorization: 'Bearer é' };
const atMs = 1_800_000_000_000;
const proof = createSidecarProof(secret, () => atMs)(call);

const outcome = (given: string | undefined, of = call, nowMs = atMs, by: Uint8Array = secret): string => {
  try {
    createProofCheck(by, () => nowMs)(given, of);
  } catch (error) {
    return error instanceof CogmeshError ? error.message.replace(/^.*: /, '') : String(error);
  }
  return 'genuine';
};

it('is the HMAC-SHA256 that anybody else computes', () => {
  const text = `6:${call.method}8:${call.authorization}${atMs}`;
  const mac = createHmac('sha256', secret).update(text).digest('base64url');
  expect(proof).toBe(`v1.${atMs}.${mac}`);
});

describe('a proof', () => {
  it('is genuine for its call, for half a minute', () => {
    expect(outcome(proof)).toBe('genuine');
    expect(outcome(proof, call, atMs + 30_000)).toBe('genuine');
    expect(outcome(proof, call, atMs + 30_001)).toBe('its proof is too old');
    expect(outcome(proof, call, atMs - 30_001)).toBe('its proof is too old');
  });

  it.each<[string, () => string]>([
    ['none', () => outcome(undefined)],
    ['for another method', () => outcome(proof, { ...call, method: '/a.B/D' })],
    ['for another token', () => outcome(proof, { ...call, authorization: 'Bearer x' })],
    ['under another secret', () => outcome(proof, call, atMs, randomBytes(32))],
    ['with another time', () => outcome(proof.replace(String(atMs), String(atMs + 1)))],
    ['cut short', () => outcome(proof.slice(0, -1))],
    ['of another version', () => outcome(proof.replace('v1', 'v2'))],
    ['with something behind it', () => outcome(`${proof}A`)],
  ])('%s is refused', (_what, act) => {
    expect(act()).not.toBe('genuine');
  });
});
