export { blobIdsIn, blobReference, isBlobId, isBlobReference, type BlobReference } from './blob-reference.js';
export { FileBlobStore, type FileBlobStoreOptions } from './file-blob-store.js';
export type { BlobStore, StoredBlob } from './port.js';
