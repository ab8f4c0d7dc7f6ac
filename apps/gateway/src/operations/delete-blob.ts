import { CogmeshError } from '@cogmesh/errors';
import { authorise } from './authority.js';
import type { GetBlobInput } from './get-blob.js';
import type { Operation } from './operation.js';
import type { OperationPorts } from './ports.js';
import { blobPath } from './resource-path.js';
import { right } from './right.js';

type Ports = Pick<OperationPorts, 'decisions' | 'blobRecords' | 'blobStore'>;

/** Removes a blob for good; needs `write` on it. Rejects with `not_found` when there is none of that id to remove. */
export function deleteBlob(ports: Ports): Operation<GetBlobInput, void> {
  return async (request) => {
    const { blobId } = request.input;
    await authorise(ports.decisions, request, [right('write', blobPath(blobId))]);
    const removed = await ports.blobRecords.remove(request.subject.organisation, blobId);
    if (!removed) throw new CogmeshError('not_found', `there is no blob ${blobId}`);
    await ports.blobStore.remove(blobId);
  };
}
