/** Blobs as messages of a stream: a reference, then bytes in chunks. */
import { CogmeshError } from '@cogmesh/errors';
import type { BlobRecord } from '../blobs/blob-records.js';

/** The contract's largest chunk, bytes. */
const chunkMaxBytes = 64 * 1024;

export function blobMessage({ id, mediaType, bytes, sha256 }: BlobRecord) {
  return { id, mediaType, bytes: BigInt(bytes), sha256 };
}

interface Part {
  readonly part: { readonly case: string | undefined; readonly value?: unknown };
}

/** The bytes that follow the first message. Rejects with `invalid_argument` for anything else. */
export async function* chunksOf(parts: AsyncIterator<Part>): AsyncGenerator<Uint8Array> {
  for (let next = await parts.next(); next.done !== true; next = await parts.next()) {
    const { part } = next.value;
    if (part.case !== 'chunk') throw new CogmeshError('invalid_argument', 'after the first message come chunks only');
    yield part.value as Uint8Array;
  }
}

/** A stream's bytes as `part` of messages no larger than the contract's chunk. */
export async function* chunkParts(content: AsyncIterable<Uint8Array>) {
  for await (const bytes of content) {
    for (let at = 0; at < bytes.length; at += chunkMaxBytes) {
      yield {
        part: { case: 'chunk' as const, value: bytes.subarray(at, at + chunkMaxBytes) as Uint8Array<ArrayBuffer> },
      };
    }
  }
}
