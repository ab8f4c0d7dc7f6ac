/** What blob records, store and sweep promise together; holds on every database. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileBlobStore } from '@cogmesh/blobs';
import type { Database } from '@cogmesh/database';
import { ulid } from 'ulid';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { blobMigrations, SqlBlobRecords } from '../adapters/sql-blob-records.js';
import type { BlobRecord } from './blob-records.js';
import { storeBlob, type BlobKeeping } from './store-blob.js';
import { orphanGraceMs, sweepBlobs } from './sweep.js';

let folder: string;
let db: Database;
let keeping: BlobKeeping;
let clock = 0;

function stored(organisation = 'acme'): Promise<BlobRecord> {
  const content = (async function* () {
    yield Buffer.from('bytes');
  })();
  return storeBlob(keeping, { organisation, createdBy: 'ann', mediaType: 'text/plain', content });
}

async function files(): Promise<string[]> {
  const ids: string[] = [];
  for await (const id of keeping.blobStore.list()) ids.push(id);
  return ids.toSorted();
}

const sweep = () => sweepBlobs(keeping.blobRecords, keeping.blobStore, clock);

/** `open` answers an empty database each time. */
export function blobKeepingContract(name: string, open: () => Promise<Database>): void {
  describe(`blobs on ${name}`, () => {
    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'blobs-'));
      db = await open();
      await db.migrate(blobMigrations);
      clock = 1_790_000_000_000;
      keeping = {
        blobRecords: new SqlBlobRecords(db),
        blobStore: new FileBlobStore(folder),
        limits: { blobBytes: 1_000, blobTtlMs: 60_000 },
        now: () => clock,
      };
    });
    afterEach(async () => {
      await db.close();
      await rm(folder, { recursive: true, force: true });
    });

    it('removes what has expired, record and bytes, and nothing else', async () => {
      const old = await stored();
      clock += 30_000;
      const young = await stored();
      clock += 30_000;
      expect(await keeping.blobRecords.find('acme', old.id, clock)).toBeUndefined();
      expect(await sweep()).toEqual({ expired: 1, orphans: 0 });
      expect(await files()).toEqual([young.id]);
      expect(await keeping.blobRecords.known([old.id, young.id])).toEqual(new Set([young.id]));
    });

    it('removes bytes without a record once no upload can be writing them', async () => {
      const orphan = `blob_${ulid(clock)}`;
      await keeping.blobStore.put(orphan, [Buffer.from('x')] as never, { maxBytes: 10 });
      expect(await sweep()).toEqual({ expired: 0, orphans: 0 });
      clock += orphanGraceMs + 1;
      expect(await sweep()).toEqual({ expired: 0, orphans: 1 });
      expect(await files()).toEqual([]);
    });

    it('keeps no bytes whose record could not be written', async () => {
      await db.close();
      await expect(stored()).rejects.toThrow();
      expect(await files()).toEqual([]);
      db = await open();
    });

    it('finds a record for its organisation alone', async () => {
      const { id } = await stored('acme');
      expect(await keeping.blobRecords.find('globex', id, clock)).toBeUndefined();
      expect(await keeping.blobRecords.present('globex', [id], clock)).toEqual(new Set());
      expect(await keeping.blobRecords.remove('globex', id)).toBe(false);
      expect(await keeping.blobRecords.present('acme', [id], clock)).toEqual(new Set([id]));
    });

    it('gives a record back as it was', async () => {
      const record = await stored('acme');
      expect(await keeping.blobRecords.find('acme', record.id, clock)).toEqual(record);
      expect(record).toMatchObject({ bytes: 5, organisation: 'acme', expiresAtMs: clock + 60_000 });
    });
  });
}
