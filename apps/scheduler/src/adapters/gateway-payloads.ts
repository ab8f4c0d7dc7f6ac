/** Large JSON values in the gateway's blob service, with the scheduler's own identity and the run's organisation. */
import type { gatewayV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import type { Client } from '@cogmesh/rpc';
import type { Json, Payloads } from '@cogmesh/scheduling-core';

/** The contract's limit on one chunk. */
const chunkBytes = 64 * 1024;
/** Largest JSON that expressions may look inside. */
const maxJsonBytes = 8 * 1024 * 1024;
const deadlineMs = 30_000;
const mediaType = 'application/json';

export class GatewayPayloads implements Payloads {
  readonly #client: Client<typeof gatewayV1.BlobService>;

  constructor(client: Client<typeof gatewayV1.BlobService>) {
    this.#client = client;
  }

  async load(blobId: string, organisation: string): Promise<Json> {
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const { part } of this.#client.fetch({ blobId, organisation }, { deadlineMs })) {
      if (part.case !== 'chunk') continue;
      bytes += part.value.length;
      if (bytes > maxJsonBytes) {
        throw new CogmeshError(
          'payload_too_large',
          `${blobId} is larger than the ${maxJsonBytes} bytes an expression may look inside`,
        );
      }
      chunks.push(part.value);
    }
    try {
      return JSON.parse(Buffer.concat(chunks).toString('utf8')) as Json;
    } catch (cause) {
      throw new CogmeshError('invalid_json', `${blobId} is not JSON`, { blobId }, { cause });
    }
  }

  async store(json: string, organisation: string): Promise<string> {
    const { blob } = await this.#client.store(storeRequests(Buffer.from(json), organisation), { deadlineMs });
    if (!blob) throw new CogmeshError('data_loss', 'the gateway stored a blob without saying which');
    return JSON.stringify({ $blob: blob.id, mediaType, bytes: Number(blob.bytes) });
  }
}

async function* storeRequests(content: Buffer, organisation: string) {
  yield { part: { case: 'header', value: { organisation, mediaType } } } as const;
  for (let at = 0; at < content.length; at += chunkBytes) {
    yield { part: { case: 'chunk', value: content.subarray(at, at + chunkBytes) } } as const;
    await Promise.resolve();
  }
}
