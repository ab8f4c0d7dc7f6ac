/** Large JSON values by reference: the port to the gateway's blob service. */
import type { Json } from '../json.js';

export interface Payloads {
  /** Rejects with `payload_too_large`, `not_found`, `invalid_json`, or `unavailable` when the gateway does not answer. */
  load(blobId: string, organisation: string): Promise<Json>;
  /** Answers the JSON of a blob reference. */
  store(json: string, organisation: string): Promise<string>;
}

/** The value itself when it is small, else the JSON of a reference to it. */
export async function inlineOrStored(
  json: string,
  { payloads, organisation, maxInlineBytes }: { payloads: Payloads; organisation: string; maxInlineBytes: number },
): Promise<string> {
  return Buffer.byteLength(json) <= maxInlineBytes ? json : payloads.store(json, organisation);
}
