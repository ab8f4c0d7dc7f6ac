import { storeBlob } from '../blobs/store-blob.js';
import type { BlobRecord } from '../blobs/blob-records.js';
import { authorise } from './authority.js';
import type { Operation } from './operation.js';
import type { OperationPorts } from './ports.js';
import { right } from './right.js';

export interface PutBlobInput {
  readonly mediaType: string;
  readonly content: AsyncIterable<Uint8Array>;
}

type Ports = Pick<OperationPorts, 'decisions' | 'blobRecords' | 'blobStore' | 'limits' | 'now'>;

/** Stores the caller's bytes as they stream in. Rejects with `payload_too_large`, and then keeps nothing. */
export function putBlob(ports: Ports): Operation<PutBlobInput, BlobRecord> {
  return async (request) => {
    await authorise(ports.decisions, request, [right('create', '/blobs')]);
    const { organisation, sub } = request.subject;
    return storeBlob(ports, { organisation, createdBy: sub, ...request.input });
  };
}
