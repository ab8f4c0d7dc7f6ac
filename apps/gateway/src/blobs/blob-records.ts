/**
 * The blob metadata port. An id is random, so it says nothing about its bytes, and the same bytes twice are two blobs: no
 * organisation can learn from a digest what another one has.
 */
export interface BlobRecord {
  /** `blob_` and a ULID. */
  readonly id: string;
  readonly organisation: string;
  /** Outside subject that uploaded it, or the service that stored it. */
  readonly createdBy: string;
  readonly mediaType: string;
  readonly bytes: number;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
  /** Milliseconds since the epoch. */
  readonly createdAtMs: number;
  /** Not readable from then on. */
  readonly expiresAtMs: number;
}

export interface BlobRecords {
  insert(record: BlobRecord): Promise<void>;
  /** Undefined when it is unknown, expired, or another organisation's. */
  find(organisation: string, id: string, nowMs: number): Promise<BlobRecord | undefined>;
  /** Those of `ids` that `find` would find. */
  present(organisation: string, ids: readonly string[], nowMs: number): Promise<ReadonlySet<string>>;
  /** Those of `ids` that have a record at all, expired or not, whoever owns them. */
  known(ids: readonly string[]): Promise<ReadonlySet<string>>;
  /** Whether there was one to remove. */
  remove(organisation: string, id: string): Promise<boolean>;
  /** Removes up to `limit` expired records and answers their ids. */
  removeExpired(nowMs: number, limit: number): Promise<readonly string[]>;
}
