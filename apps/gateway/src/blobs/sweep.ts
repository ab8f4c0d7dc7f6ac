/**
 * Removes what nobody may read any more: expired blobs (record first, then bytes) and bytes without a record, which a
 * crash between the two leaves behind. Bytes younger than the grace time may belong to an upload in progress.
 */
import type { BlobStore } from '@cogmesh/blobs';
import { decodeTime } from 'ulid';
import type { BlobRecords } from './blob-records.js';

/** Longer than any upload can take (the request time-out bounds it), milliseconds. */
export const orphanGraceMs = 3_600_000;

/** Records or ids looked at in one step. */
const stepSize = 500;

export interface Swept {
  readonly expired: number;
  readonly orphans: number;
}

export async function sweepBlobs(records: BlobRecords, store: BlobStore, nowMs: number): Promise<Swept> {
  return { expired: await sweepExpired(records, store, nowMs), orphans: await sweepOrphans(records, store, nowMs) };
}

async function sweepExpired(records: BlobRecords, store: BlobStore, nowMs: number): Promise<number> {
  let swept = 0;
  for (;;) {
    const ids = await records.removeExpired(nowMs, stepSize);
    for (const id of ids) await store.remove(id);
    swept += ids.length;
    if (ids.length < stepSize) return swept;
  }
}

async function sweepOrphans(records: BlobRecords, store: BlobStore, nowMs: number): Promise<number> {
  let swept = 0;
  let candidates: string[] = [];
  const settle = async () => {
    const known = await records.known(candidates);
    const orphans = candidates.filter((id) => !known.has(id));
    for (const id of orphans) await store.remove(id);
    swept += orphans.length;
    candidates = [];
  };
  for await (const id of store.list()) {
    if (bornAtMs(id) + orphanGraceMs < nowMs) candidates.push(id);
    if (candidates.length >= stepSize) await settle();
  }
  await settle();
  return swept;
}

function bornAtMs(id: string): number {
  try {
    return decodeTime(id.replace(/^blob_/, ''));
  } catch {
    // Not one of ours; leave it alone.
    return Number.POSITIVE_INFINITY;
  }
}
