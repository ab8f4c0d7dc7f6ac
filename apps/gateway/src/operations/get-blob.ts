import type { Readable } from 'node:stream';
import { CogmeshError } from '@cogmesh/errors';
import type { BlobRecord } from '../blobs/blob-records.js';
import { authorise } from './authority.js';
import type { Operation } from './operation.js';
import type { OperationPorts } from './ports.js';
import { blobPath } from './resource-path.js';
import { right } from './right.js';

export interface GetBlobInput {
  readonly blobId: string;
}

export interface OpenBlob {
  readonly record: BlobRecord;
  /** Opens the bytes; not called when the caller already has them. */
  readonly open: () => Promise<Readable>;
}

type Ports = Pick<OperationPorts, 'decisions' | 'blobRecords' | 'blobStore' | 'now'>;

/** One of the caller's organisation's blobs. Rejects with `not_found` for anybody else's. */
export function getBlob(ports: Ports): Operation<GetBlobInput, OpenBlob> {
  return async (request) => {
    const { blobId } = request.input;
    await authorise(ports.decisions, request, [right('read', blobPath(blobId))]);
    const record = await ports.blobRecords.find(request.subject.organisation, blobId, ports.now());
    if (record === undefined) throw new CogmeshError('not_found', `there is no blob ${blobId}`);
    return { record, open: () => ports.blobStore.open(blobId) };
  };
}
