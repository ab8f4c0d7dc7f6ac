/**
 * Bytes of blobs for the tasks in progress. One fetch serves the tasks of one run that name the same blob; nothing is kept
 * for long, nothing is shared between runs or organisations, and a task gets only what its own grant lists. Whoever drops
 * bytes here tells the engines to drop them too.
 */
import { CogmeshError } from '@cogmesh/errors';
import type { ReadBytes } from '../inference/prepare-input.js';

export interface BlobRequest {
  readonly organisation: string;
  readonly runId: string;
  readonly blobId: string;
  readonly grantJws: string;
}

/** Reads a blob's bytes with a task grant; refuses one larger than `maxBytes`. */
export type FetchBlob = (request: BlobRequest, maxBytes: number) => Promise<Uint8Array>;

export interface BlobCacheOptions {
  readonly fetch: FetchBlob;
  /** One blob, and all of them together, bytes. */
  readonly maxBytes: number;
  /** How long bytes stay after their last task, milliseconds. */
  readonly lingerMs: number;
  readonly onDropped: (key: string) => void;
}

interface Entry {
  readonly bytes: Promise<Uint8Array>;
  size: number;
  users: number;
  timer: NodeJS.Timeout | undefined;
}

export class BlobCache {
  private readonly entries = new Map<string, Entry>();

  constructor(private readonly options: BlobCacheOptions) {}

  /** The bytes and the name engines may keep them under; call `release` with that name when the task is over. */
  async acquire(request: BlobRequest): Promise<Required<ReadBytes>> {
    const key = `${request.organisation}/${request.runId}/${request.blobId}`;
    const entry = this.entries.get(key) ?? this.open(key, request);
    entry.users += 1;
    clearTimeout(entry.timer);
    try {
      return { key, bytes: await entry.bytes };
    } catch (thrown) {
      if (this.entries.get(key) === entry) this.entries.delete(key);
      throw thrown;
    }
  }

  release(key: string): void {
    const entry = this.entries.get(key);
    if (!entry) return;
    entry.users -= 1;
    if (entry.users > 0) return;
    entry.timer = setTimeout(() => this.drop(key), this.options.lingerMs).unref();
    this.shrink();
  }

  clear(): void {
    for (const key of [...this.entries.keys()]) this.drop(key);
  }

  private open(key: string, request: BlobRequest): Entry {
    const entry: Entry = {
      bytes: this.options.fetch(request, this.options.maxBytes),
      size: 0,
      users: 0,
      timer: undefined,
    };
    this.entries.set(key, entry);
    entry.bytes.then(
      (bytes) => {
        entry.size = bytes.byteLength;
        this.shrink();
      },
      () => undefined,
    );
    return entry;
  }

  /** Drops what nobody uses, oldest first, while all together are too large. */
  private shrink(): void {
    let total = [...this.entries.values()].reduce((sum, entry) => sum + entry.size, 0);
    for (const [key, entry] of this.entries) {
      if (total <= this.options.maxBytes) return;
      if (entry.users > 0) continue;
      total -= entry.size;
      this.drop(key);
    }
  }

  private drop(key: string): void {
    clearTimeout(this.entries.get(key)?.timer);
    if (this.entries.delete(key)) this.options.onDropped(key);
  }
}

/** The error for a blob reference that is none. */
export function notABlob(): CogmeshError {
  return new CogmeshError('invalid_input', 'a task names bytes as { "$blob": "blob_…" }');
}
