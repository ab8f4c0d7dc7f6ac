/**
 * The trust directory: public keys of services and organisations, signed by the root. A verifier needs only the root's public key and
 * this file. A name that is not known makes it look at the file again, at most once a second, so that an organisation added later is
 * found without a restart.
 */
import { readFile } from 'node:fs/promises';
import { CogmeshError } from '@cogmesh/errors';
import { importJWK, jwtVerify, type CryptoKey, type JWK } from 'jose';
import { peekToken } from './compact-jws.js';
import { tokenFailure } from './jose-failure.js';
import { keyFiles, readIfPresent, readJwk } from './key-files.js';
import { tokenKinds } from './token-kinds.js';

const rereadAfterMs = 1_000;

export type PublicKey = CryptoKey | Uint8Array;

interface Directory {
  readonly services: ReadonlyMap<string, PublicKey>;
  readonly organisations: ReadonlyMap<string, PublicKey>;
}

export class Trust {
  readonly #dir: string;
  readonly #root: PublicKey;
  #directory: Directory;
  #readAtMs: number;

  private constructor(dir: string, state: { root: PublicKey; directory: Directory }) {
    this.#dir = dir;
    this.#root = state.root;
    this.#directory = state.directory;
    this.#readAtMs = performance.now();
  }

  /** Reads root.public.jwk and trust.jws; `invalid_config` when either is missing or the signature is wrong. */
  static async load(dir: string): Promise<Trust> {
    const root = await importJWK(await readJwk(keyFiles.rootPublic(dir)), 'EdDSA');
    return new Trust(dir, { root, directory: await readDirectory(dir, root) });
  }

  serviceKey(name: string): Promise<PublicKey | undefined> {
    return this.#lookUp('services', name);
  }

  organisationKey(name: string): Promise<PublicKey | undefined> {
    return this.#lookUp('organisations', name);
  }

  async #lookUp(part: keyof Directory, name: string): Promise<PublicKey | undefined> {
    const known = this.#directory[part].get(name);
    if (known !== undefined || performance.now() - this.#readAtMs < rereadAfterMs) return known;
    this.#readAtMs = performance.now();
    this.#directory = await readDirectory(this.#dir, this.#root);
    return this.#directory[part].get(name);
  }
}

async function readDirectory(dir: string, root: PublicKey): Promise<Directory> {
  const path = keyFiles.trust(dir);
  if ((await readIfPresent(path)) === undefined) {
    throw new CogmeshError('invalid_config', `there is no trust directory at ${path}; make it with "cogmesh init"`);
  }
  const jws = await readFile(path, 'utf8');
  const kind = tokenKinds.trust;
  try {
    peekToken(jws, kind);
    const { payload } = await jwtVerify(jws, root, {
      algorithms: ['EdDSA'],
      typ: kind.typ,
      issuer: 'root',
      requiredClaims: [...kind.requiredClaims],
    });
    return {
      services: await importKeys(payload['services']),
      organisations: await importKeys(payload['organisations']),
    };
  } catch (error) {
    throw tokenFailure(error, kind);
  }
}

async function importKeys(jwks: unknown): Promise<ReadonlyMap<string, PublicKey>> {
  const entries = Object.entries((jwks ?? {}) as Record<string, JWK>);
  return new Map(await Promise.all(entries.map(async ([name, jwk]) => [name, await importJWK(jwk, 'EdDSA')] as const)));
}
