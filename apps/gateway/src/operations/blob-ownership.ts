import { CogmeshError } from '@cogmesh/errors';
import type { OperationPorts } from './ports.js';

/** Another organisation's blob, an expired one and one that never was are all the same: `not_found`. */
export async function assertOwned(
  { blobRecords, now }: Pick<OperationPorts, 'blobRecords' | 'now'>,
  organisation: string,
  ids: readonly string[],
): Promise<void> {
  const found = await blobRecords.present(organisation, ids, now());
  const missing = ids.filter((id) => !found.has(id));
  if (missing.length === 0) return;
  throw new CogmeshError('not_found', `the run refers to a blob that does not exist: ${missing[0]}`, {
    blobs: missing,
  });
}
