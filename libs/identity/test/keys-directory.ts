import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { initialiseKeys } from '../src/index.js';

/** A fresh keys directory with host organisation acme and a development issuer; `remove` deletes it. */
export async function temporaryKeys(): Promise<{ dir: string; remove: () => Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), 'cogmesh-keys-'));
  await initialiseKeys(dir, { hostOrganisation: 'acme', developmentIssuer: true });
  return { dir, remove: () => rm(dir, { recursive: true, force: true }) };
}
