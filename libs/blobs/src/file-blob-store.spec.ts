import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { allOf, blobStoreContract } from './blob-store.contract.js';
import { FileBlobStore } from './index.js';

const temporaryFolder = () => mkdtemp(join(tmpdir(), 'cogmesh-blobs-'));
const code = (expected: string) => expect.objectContaining({ code: expected });

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.flatMap((entry) => (entry.isFile() ? [join(entry.parentPath, entry.name)] : [])).toSorted();
}

blobStoreContract('files', async () => {
  const folder = await temporaryFolder();
  return {
    open: () => new FileBlobStore(join(folder, 'made')),
    stored: () => filesBelow(folder),
    cleanUp: () => rm(folder, { recursive: true }),
  };
});

describe('files: the folder', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await temporaryFolder();
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('is swept of uploads that a crash left, not of those under way', async () => {
    const uploads = join(folder, 'uploads');
    await mkdir(uploads);
    await writeFile(join(uploads, 'left'), 'half');
    await writeFile(join(uploads, 'under-way'), 'half');
    const anHourAgo = new Date(Date.now() - 3_600_000);
    await utimes(join(uploads, 'left'), anHourAgo, anHourAgo);
    const store = new FileBlobStore(folder);
    expect(await allOf(store.list())).toEqual([]);
    expect(await readdir(uploads)).toEqual(['under-way']);
    await new FileBlobStore(folder, { staleUploadMs: 0 }).ping();
    expect(await readdir(uploads)).toEqual([]);
  });

  it('lists blobs only', async () => {
    await mkdir(join(folder, 'objects', 'XX'), { recursive: true });
    await writeFile(join(folder, 'objects', 'XX', 'notes.txt'), 'not ours');
    expect(await allOf(new FileBlobStore(folder).list())).toEqual([]);
  });

  it('is unavailable where it cannot be written, and recovers', async () => {
    const blocked = join(folder, 'blocked');
    await writeFile(blocked, 'a file where the folder should be');
    const store = new FileBlobStore(blocked);
    const id = 'blob_01JDEMO0000000000000000000';
    await expect(store.ping()).rejects.toEqual(code('unavailable'));
    await expect(store.put(id, (async function* () {})(), { maxBytes: 1 })).rejects.toEqual(code('unavailable'));
    await rm(blocked);
    await store.ping();
    expect(await store.put(id, (async function* () {})(), { maxBytes: 1 })).toMatchObject({ bytes: 0 });
  });
});
