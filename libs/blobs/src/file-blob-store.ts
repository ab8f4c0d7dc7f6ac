/**
 * Blobs as files: `objects/<last two characters of the id>/<id>`, written aside in `uploads/` and linked into place once
 * their bytes are on disk. A name never changes its content: a second put of an id is `already_exists`. The last
 * characters are the random ones, so folders fill evenly.
 */
import { createHash, randomUUID } from 'node:crypto';
import { link, mkdir, open, readdir, rm, stat, unlink, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { CogmeshError } from '@cogmesh/errors';
import { isBlobId } from './blob-reference.js';
import { isSystemError, storing } from './file-errors.js';
import type { BlobStore, StoredBlob } from './port.js';

/** An upload that was not written to for this long was left by a crash, milliseconds. Default of the option. */
const defaultStaleUploadMs = 60 * 60 * 1000;

export interface FileBlobStoreOptions {
  readonly staleUploadMs?: number;
}

export class FileBlobStore implements BlobStore {
  readonly #objects: string;
  readonly #uploads: string;
  readonly #staleUploadMs: number;
  #prepared: Promise<void> | undefined;

  /** The folder is made, and swept of leftover uploads, at the first use. */
  constructor(folder: string, options: FileBlobStoreOptions = {}) {
    this.#objects = join(folder, 'objects');
    this.#uploads = join(folder, 'uploads');
    this.#staleUploadMs = options.staleUploadMs ?? defaultStaleUploadMs;
  }

  async put(
    id: string,
    content: Readable | AsyncIterable<Uint8Array>,
    { maxBytes }: { readonly maxBytes: number },
  ): Promise<StoredBlob> {
    const path = this.#pathOf(id);
    await this.#prepare();
    const upload = join(this.#uploads, randomUUID());
    try {
      const stored = await writeAll(upload, content, maxBytes);
      await storing(() => publish(upload, path));
      return stored;
    } finally {
      await rm(upload, { force: true });
    }
  }

  async open(id: string): Promise<Readable> {
    const path = this.#pathOf(id);
    const handle = await storing(() =>
      open(path, 'r').catch((thrown: unknown) => {
        throw isSystemError(thrown, 'ENOENT') ? new CogmeshError('not_found', 'no such blob', { id }) : thrown;
      }),
    );
    return handle.createReadStream();
  }

  async remove(id: string): Promise<void> {
    const path = this.#pathOf(id);
    await storing(() => rm(path, { force: true }));
  }

  async *list(): AsyncIterable<string> {
    await this.#prepare();
    for (const folder of await storing(() => readdir(this.#objects))) {
      const names = await storing(() => readdir(join(this.#objects, folder)));
      yield* names.filter(isBlobId);
    }
  }

  async ping(): Promise<void> {
    await this.#prepare();
    const probe = join(this.#uploads, randomUUID());
    await storing(async () => {
      await (await open(probe, 'wx', 0o600)).close();
      await unlink(probe);
    });
  }

  #pathOf(id: string): string {
    if (!isBlobId(id))
      throw new CogmeshError('invalid_argument', 'not a blob id: it is blob_ and 26 characters 0-9 A-Z');
    return join(this.#objects, id.slice(-2), id);
  }

  /** Once; after a failure again at the next use. */
  async #prepare(): Promise<void> {
    this.#prepared ??= storing(() => this.#makeFolders());
    await this.#prepared.catch((thrown: unknown) => {
      this.#prepared = undefined;
      throw thrown;
    });
  }

  async #makeFolders(): Promise<void> {
    await mkdir(this.#objects, { recursive: true, mode: 0o700 });
    await mkdir(this.#uploads, { recursive: true, mode: 0o700 });
    const staleBefore = Date.now() - this.#staleUploadMs;
    for (const name of await readdir(this.#uploads)) {
      const upload = join(this.#uploads, name);
      const age = await stat(upload).catch(() => undefined);
      if (age && age.mtimeMs <= staleBefore) await rm(upload, { force: true });
    }
  }
}

async function writeAll(path: string, content: AsyncIterable<unknown>, maxBytes: number): Promise<StoredBlob> {
  const handle = await storing(() => open(path, 'wx', 0o600));
  try {
    const stored = await copy(content, handle, maxBytes);
    await storing(() => handle.sync());
    return stored;
  } finally {
    await handle.close();
  }
}

/** An error of the content itself is passed on as it is. Leaving the loop early ends the source. */
async function copy(content: AsyncIterable<unknown>, handle: FileHandle, maxBytes: number): Promise<StoredBlob> {
  const sha256 = createHash('sha256');
  let bytes = 0;
  for await (const chunk of content) {
    if (!(chunk instanceof Uint8Array))
      throw new CogmeshError('invalid_argument', 'the content of a blob must be bytes');
    bytes += chunk.byteLength;
    if (bytes > maxBytes)
      throw new CogmeshError('payload_too_large', `a blob has at most ${maxBytes} bytes`, { maxBytes });
    sha256.update(chunk);
    await storing(() => handle.writeFile(chunk));
  }
  return { bytes, sha256: sha256.digest('hex') };
}

/** A link, not a rename: it refuses to replace. The folders are synced so that the name survives a crash, too. */
async function publish(upload: string, path: string): Promise<void> {
  const folder = dirname(path);
  if (await mkdir(folder, { recursive: true, mode: 0o700 })) await syncFolder(dirname(folder));
  try {
    await link(upload, path);
  } catch (thrown) {
    if (!isSystemError(thrown, 'EEXIST')) throw thrown;
    throw new CogmeshError('already_exists', 'a blob of this id is stored already');
  }
  await syncFolder(folder);
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
