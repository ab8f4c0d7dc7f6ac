/** Outputs that are too large for a result message become blobs of the run's organisation. */
import type { gatewayV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import type { Client } from '@cogmesh/rpc';
import type { RelayedAttempt } from './relayed-attempt.js';

/** Contract: work.proto, Result.output_json. */
const INLINE_OUTPUT_BYTES = 64 * 1024;
/** Contract: gateway.proto, chunks. */
const CHUNK_BYTES = 64 * 1024;
const STORE_DEADLINE_MS = 30_000;

export class OutputStore {
  readonly #blobs: Pick<Client<typeof gatewayV1.BlobService>, 'store'>;

  constructor(blobs: Pick<Client<typeof gatewayV1.BlobService>, 'store'>) {
    this.#blobs = blobs;
  }

  /** The output itself, or a reference to where it was put. */
  async reduce(outputJson: string, attempt: Pick<RelayedAttempt, 'organisation' | 'grantJws'>): Promise<string> {
    const bytes = Buffer.from(outputJson);
    if (bytes.length <= INLINE_OUTPUT_BYTES) return outputJson;
    const { blob } = await this.#blobs.store(parts(bytes, attempt), { deadlineMs: STORE_DEADLINE_MS });
    if (!blob) throw new CogmeshError('internal', 'the gateway stored an output without naming it');
    return JSON.stringify({ $blob: blob.id, mediaType: 'application/json', bytes: bytes.length });
  }
}

async function* parts(bytes: Buffer, { organisation, grantJws }: Pick<RelayedAttempt, 'organisation' | 'grantJws'>) {
  const header = { organisation, mediaType: 'application/json', taskGrantJws: grantJws };
  yield { part: { case: 'header' as const, value: header } };
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
    yield { part: { case: 'chunk' as const, value: bytes.subarray(at, at + CHUNK_BYTES) } };
  }
}
