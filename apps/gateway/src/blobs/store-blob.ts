/**
 * Stores bytes under a new id: bytes first, the record second, so that a record always has its bytes. Bytes whose record
 * could not be written are removed at once, or by the sweep after a crash.
 */
import type { BlobStore } from '@cogmesh/blobs';
import { CogmeshError } from '@cogmesh/errors';
import { ulid } from 'ulid';
import type { BlobRecord, BlobRecords } from './blob-records.js';

export interface NewBlob {
  readonly organisation: string;
  readonly createdBy: string;
  readonly mediaType: string;
  readonly content: AsyncIterable<Uint8Array>;
}

export interface BlobKeeping {
  readonly blobRecords: BlobRecords;
  readonly blobStore: BlobStore;
  readonly limits: { readonly blobBytes: number; readonly blobTtlMs: number };
  readonly now: () => number;
}

const mediaType = /^[a-z0-9!#$&^_.+-]{1,127}\/[a-z0-9!#$&^_.+-]{1,127}(?:\s*;\s*[^\s;]+){0,4}$/i;
const mediaTypeMaxChars = 255;

/** Rejects with `unsupported_media_type` or `payload_too_large`; then nothing is left behind. */
export async function storeBlob(keeping: BlobKeeping, blob: NewBlob): Promise<BlobRecord> {
  if (blob.mediaType.length > mediaTypeMaxChars || !mediaType.test(blob.mediaType)) {
    throw new CogmeshError('unsupported_media_type', 'a blob needs a media type, for example Content-Type: image/png');
  }
  const { blobRecords, blobStore, limits, now } = keeping;
  const id = `blob_${ulid(now())}`;
  const { bytes, sha256 } = await blobStore.put(id, blob.content, { maxBytes: limits.blobBytes });
  const createdAtMs = now();
  const { organisation, createdBy } = blob;
  const record: BlobRecord = {
    id,
    organisation,
    createdBy,
    mediaType: blob.mediaType,
    bytes,
    sha256,
    createdAtMs,
    expiresAtMs: createdAtMs + limits.blobTtlMs,
  };
  try {
    await blobRecords.insert(record);
  } catch (thrown) {
    await blobStore.remove(id);
    throw thrown;
  }
  return record;
}
