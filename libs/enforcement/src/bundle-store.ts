/**
 * Bundles and the highest epochs seen, on disk: `bundles/<organisation>.jws` (the bundle and the deltas on top of it, one a line),
 * `epochs.json` and `revocations.json` (the epoch of the revocations), 0600, each replaced whole. What is read
 * back is checked by the replica like anything from the network; a missing or damaged file costs a fetch, never a wrong decision.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { isOrganisationName } from '@cogmesh/policy-core';

export interface StoredBundles {
  /** Highest epoch ever accepted, by organisation, removed ones included. */
  readonly epochs: ReadonlyMap<string, number>;
  /** Highest epoch of the revocations ever accepted. */
  readonly revocations: number;
  /** Compact JWS by organisation, one a line. */
  readonly bundles: ReadonlyMap<string, string>;
}

export interface BundleStore {
  load(): Promise<StoredBundles>;
  save(change: {
    epochs: ReadonlyMap<string, number>;
    revocations: number;
    bundles: ReadonlyMap<string, string>;
    removed: readonly string[];
  }): Promise<void>;
}

export class FileBundleStore implements BundleStore {
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** An epochs file that is there but unreadable throws: without it nothing can promise not to go back. */
  async load(): Promise<StoredBundles> {
    const text = await readFile(this.#epochsFile, 'utf8').catch(absent);
    const epochs = new Map(Object.entries(JSON.parse(text ?? '{}') as Record<string, number>));
    const { epoch = 0 } = JSON.parse((await readFile(this.#revocationsFile, 'utf8').catch(absent)) ?? '{}') as {
      epoch?: number;
    };
    const files = (await readdir(this.#bundlesDir).catch(absent)) ?? [];
    const names = files.filter((file) => file.endsWith('.jws')).map((file) => basename(file, '.jws'));
    const bundles = await Promise.all(
      names.map(async (name) => [name, await readFile(this.#bundleFile(name), 'utf8')] as const),
    );
    return { epochs, revocations: epoch, bundles: new Map(bundles) };
  }

  async save(change: {
    epochs: ReadonlyMap<string, number>;
    revocations: number;
    bundles: ReadonlyMap<string, string>;
    removed: readonly string[];
  }): Promise<void> {
    await mkdir(this.#bundlesDir, { recursive: true, mode: 0o700 });
    await replaceFile(this.#epochsFile, JSON.stringify(Object.fromEntries(change.epochs)));
    await replaceFile(this.#revocationsFile, JSON.stringify({ epoch: change.revocations }));
    for (const [organisation, jws] of change.bundles) await replaceFile(this.#bundleFile(organisation), jws);
    for (const organisation of change.removed) await rm(this.#bundleFile(organisation), { force: true });
  }

  get #epochsFile(): string {
    return join(this.#dir, 'epochs.json');
  }

  get #revocationsFile(): string {
    return join(this.#dir, 'revocations.json');
  }

  get #bundlesDir(): string {
    return join(this.#dir, 'bundles');
  }

  #bundleFile(organisation: string): string {
    if (!isOrganisationName(organisation)) throw new TypeError(`not an organisation's name: ${organisation}`);
    return join(this.#bundlesDir, `${organisation}.jws`);
  }
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
