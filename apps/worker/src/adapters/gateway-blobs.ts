/** The gateway's BlobService as the worker uses it: bytes for a task grant, and outputs too large for a message. */
import type { gatewayV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import type { Client } from '@cogmesh/rpc';
import type { BlobRequest } from '../work/blob-cache.js';

type BlobClient = Client<typeof gatewayV1.BlobService>;

/** Contract: gateway.proto, chunks. */
const chunkBytes = 64 * 1024;
const deadlineMs = 30_000;

/** Throws `payload_too_large`, `invalid_grant`, `not_found`, `unavailable`, `data_loss`. */
export async function fetchBlob(
  client: Pick<BlobClient, 'fetch'>,
  request: BlobRequest,
  maxBytes: number,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let [received, announced] = [0, -1];
  const answers = client.fetch({ blobId: request.blobId, taskGrantJws: request.grantJws }, { deadlineMs });
  for await (const { part } of answers) {
    if (part.case === 'blob') announced = Number(part.value.bytes);
    if (part.case === 'chunk') chunks.push(part.value);
    received += part.case === 'chunk' ? part.value.byteLength : 0;
    if (Math.max(received, announced) > maxBytes) {
      const message = `blob ${request.blobId} is larger than ${maxBytes} bytes (COGMESH_WORKER_MAX_BLOB_BYTES)`;
      throw new CogmeshError('payload_too_large', message, { blob: request.blobId, limit: maxBytes });
    }
  }
  if (announced >= 0 && announced !== received) {
    throw new CogmeshError('data_loss', `blob ${request.blobId}: ${received} of ${announced} bytes came`, {
      blob: request.blobId,
    });
  }
  return Buffer.concat(chunks, received);
}

/** Stores a JSON output for the organisation of the grant; the reference as it stands in outputs. */
export async function storeOutput(
  client: Pick<BlobClient, 'store'>,
  json: Uint8Array,
  owner: { organisation: string; grantJws: string },
): Promise<string> {
  const { blob } = await client.store(parts(json, owner), { deadlineMs });
  if (!blob) throw new CogmeshError('internal', 'the gateway stored an output without naming it');
  return JSON.stringify({ $blob: blob.id, mediaType: 'application/json', bytes: json.byteLength });
}

async function* parts(json: Uint8Array, { organisation, grantJws }: { organisation: string; grantJws: string }) {
  const header = { organisation, mediaType: 'application/json', taskGrantJws: grantJws };
  yield { part: { case: 'header' as const, value: header } };
  for (let at = 0; at < json.byteLength; at += chunkBytes) {
    yield { part: { case: 'chunk' as const, value: json.subarray(at, at + chunkBytes) as Uint8Array<ArrayBuffer> } };
  }
}
