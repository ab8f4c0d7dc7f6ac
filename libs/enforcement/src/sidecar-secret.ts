/**
 * The secret a sidecar and its service share: 32 random bytes as base64url, in a 0600 file or behind an inherited descriptor. Made anew at
 * each start of the pair by whoever starts both.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { CogmeshError } from '@cogmesh/errors';
import { sidecarSecretBytes } from './sidecar-proof.js';

/** Writes a new secret, mode 0600, for a sidecar and its service to read. Fails when the file exists. */
export function createSidecarSecretFile(path: string): void {
  writeFileSync(path, randomBytes(sidecarSecretBytes).toString('base64url'), { mode: 0o600, flag: 'wx' });
}

export interface SidecarSecretSource {
  /** Path of the 0600 file; empty when a descriptor is used. */
  readonly file: string;
  /** Inherited file descriptor; -1 when a file is used. */
  readonly descriptor: number;
}

/** The secret; `invalid_config` when there is none, it has another length, or its file is open to others. */
export function readSidecarSecret({ file, descriptor }: SidecarSecretSource): Uint8Array {
  if (file === '' && descriptor < 0) {
    throw new CogmeshError(
      'invalid_config',
      'a sidecar and its service share a secret: set COGMESH_SIDECAR_SECRET_FILE or COGMESH_SIDECAR_SECRET_FD',
    );
  }
  const from = file === '' ? `descriptor ${descriptor}` : file;
  const text = readSecretText(file === '' ? descriptor : file, from);
  const secret = Buffer.from(text.trim(), 'base64url');
  if (secret.length === sidecarSecretBytes) return secret;
  throw new CogmeshError(
    'invalid_config',
    `the sidecar secret in ${from} has ${secret.length} bytes; it must have ${sidecarSecretBytes}`,
  );
}

function readSecretText(source: string | number, from: string): string {
  try {
    if (typeof source === 'string' && (statSync(source).mode & 0o077) !== 0) {
      throw new CogmeshError(
        'invalid_config',
        `the sidecar secret ${from} can be read by others; its mode must be 0600`,
      );
    }
    return readFileSync(source, 'utf8');
  } catch (error) {
    if (error instanceof CogmeshError) throw error;
    throw new CogmeshError('invalid_config', `the sidecar secret in ${from} cannot be read`, {}, { cause: error });
  }
}
