import type { Readable } from 'node:stream';

/** Bytes stored under an id by their owner. Knows nothing of organisations: metadata belongs to the gateway. */
export interface StoredBlob {
  readonly bytes: number;
  /** SHA-256, lower-case hexadecimal. */
  readonly sha256: string;
}

export interface BlobStore {
  /**
   * Streams `content` to disk; visible only once complete. Rejects with `payload_too_large` past `maxBytes` and leaves
   * nothing behind on any failure.
   */
  put(
    id: string,
    content: Readable | AsyncIterable<Uint8Array>,
    options: { readonly maxBytes: number },
  ): Promise<StoredBlob>;
  /** Rejects with `not_found`. */
  open(id: string): Promise<Readable>;
  /** No error when it is already gone. */
  remove(id: string): Promise<void>;
  /** Ids present, in no order; for the sweep of orphans. */
  list(): AsyncIterable<string>;
  /** Rejects with `unavailable` when it cannot write. */
  ping(): Promise<void>;
}
