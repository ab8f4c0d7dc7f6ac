import { openAsBlob } from 'node:fs';
import { Readable } from 'node:stream';
import { CogmeshError } from '@cogmesh/errors';
import { path, type HttpTransport, type RequestBody } from './http-transport.js';
import type { BlobReference } from './run-document.js';

/** Bytes, a stream of bytes, or `{ path }` of a file. A stream is sent once and never repeated. */
export type BlobContent =
  Uint8Array | Readable | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array> | { readonly path: string };

export interface StoredBlob {
  readonly id: string;
  readonly mediaType: string;
  readonly bytes: number;
  /** SHA-256, lower-case hexadecimal. */
  readonly sha256: string;
  readonly expiresAt?: string | null;
}

/** Stores the bytes. The gateway's size limit answers `payload_too_large`. */
export async function uploadBlob(
  http: HttpTransport,
  content: BlobContent,
  options: { readonly mediaType: string; readonly signal?: AbortSignal },
): Promise<StoredBlob> {
  const body = await bodyOf(content);
  return http.json<StoredBlob>({
    method: 'POST',
    path: '/v1/blobs',
    headers: { 'content-type': options.mediaType },
    body,
    // A blob stored twice costs an unreferenced copy that expires; a consumed stream cannot be sent again.
    repeatable: !(body instanceof ReadableStream),
    ...(options.signal ? { signal: options.signal } : {}),
  });
}

async function bodyOf(content: BlobContent): Promise<RequestBody> {
  if (content instanceof Uint8Array) return content as Uint8Array<ArrayBuffer>;
  if (content instanceof ReadableStream) return content;
  if (content instanceof Readable) return Readable.toWeb(content) as ReadableStream<Uint8Array>;
  if (Symbol.asyncIterator in content) return ReadableStream.from(content) as ReadableStream<Uint8Array>;
  try {
    return await openAsBlob(content.path);
  } catch (cause) {
    throw new CogmeshError('not_found', `cannot read ${content.path}`, { path: content.path }, { cause });
  }
}

/** A blob being read: its bytes arrive as they are consumed. */
export interface BlobDownload {
  readonly mediaType: string;
  /** Undefined when the gateway did not say. */
  readonly bytes: number | undefined;
  readonly stream: Readable;
  /** The rest of the bytes; rejects with `payload_too_large` past `maxBytes` (default 64 MiB). */
  buffer(maxBytes?: number): Promise<Buffer>;
}

const DEFAULT_BUFFER_BYTES = 64 * 1024 * 1024;

export async function downloadBlob(
  http: HttpTransport,
  blob: string | BlobReference,
  signal?: AbortSignal,
): Promise<BlobDownload> {
  const id = typeof blob === 'string' ? blob : blob.$blob;
  const response = await http.send({
    method: 'GET',
    path: path`/v1/blobs/${id}`,
    repeatable: true,
    ...(signal ? { signal } : {}),
  });
  const length = response.headers.get('content-length');
  const body = response.body ?? new Blob([]).stream();
  const stream = Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0]);
  return {
    mediaType: response.headers.get('content-type') ?? 'application/octet-stream',
    bytes: length === null ? undefined : Number(length),
    stream,
    buffer: (maxBytes = DEFAULT_BUFFER_BYTES) => collect(stream, id, maxBytes),
  };
}

async function collect(stream: Readable, id: string, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes)
      throw new CogmeshError('payload_too_large', `${id} is larger than ${maxBytes} bytes`, { maxBytes });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
