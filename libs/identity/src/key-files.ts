/**
 * The files of a keys directory and how they are written: JSON, mode 0600, to a temporary name beside the target and renamed, so
 * that a crash leaves the old file or the new one. Knows names and paths, nothing about trust.
 */
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CogmeshError } from '@cogmesh/errors';
import { exportJWK, generateKeyPair, type JWK } from 'jose';

/** Names become file names, so they are plain and cannot leave their folder. */
const plainName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

export const keyFiles = {
  rootPrivate: (dir: string) => join(dir, 'root.private.jwk'),
  rootPublic: (dir: string) => join(dir, 'root.public.jwk'),
  trust: (dir: string) => join(dir, 'trust.jws'),
  service: (dir: string, name: string) => join(dir, 'services', `${checkedName(name)}.jwk`),
  organisation: (dir: string, name: string) => join(dir, 'organisations', `${checkedName(name)}.jwk`),
  /** PEM files of mutual TLS: `ca.pem`, `<name>.pem` and their keys. */
  certificate: (dir: string, name: string) => join(dir, 'certificates', `${checkedName(name)}.pem`),
  certificateKey: (dir: string, name: string) => join(dir, 'certificates', `${checkedName(name)}.key.pem`),
  issuer: (dir: string, name: string) => join(dir, 'issuers', `${checkedName(name)}.jwk`),
} as const;

/** The name itself, or `invalid_argument` when it could not be a file name. */
export function checkedName(name: string): string {
  if (plainName.test(name)) return name;
  throw new CogmeshError(
    'invalid_argument',
    `"${name}" is not a name: use letters, digits, ".", "_" and "-", starting with a letter or digit, at most 63 characters`,
  );
}

/** Writes text so that it is either wholly there, mode 0600, or not at all. Makes missing folders, mode 0700. */
export async function writeSecretFile(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
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

/** The file's text, or undefined when there is no such file. */
export async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** A JWK from a file; `invalid_config` naming the file and the cure when it is missing or unreadable. */
export async function readJwk(path: string): Promise<JWK> {
  const text = await readIfPresent(path);
  if (text === undefined)
    throw new CogmeshError('invalid_config', `there is no key at ${path}; make the keys with "cogmesh init"`);
  try {
    return JSON.parse(text) as JWK;
  } catch (error) {
    throw new CogmeshError('invalid_config', `the key at ${path} is not JSON`, {}, { cause: error });
  }
}

/** The private key in the file, made first when it is missing. Repairs the file's mode. */
export async function ensurePrivateKey(path: string, members: Record<string, string> = {}): Promise<JWK> {
  if ((await readIfPresent(path)) !== undefined) {
    await chmod(path, 0o600);
    return readJwk(path);
  }
  const { privateKey } = await generateKeyPair('EdDSA', { extractable: true });
  const jwk: JWK = {
    ...(await exportJWK(privateKey)),
    alg: 'EdDSA',
    use: 'sig',
    kid: randomBytes(12).toString('base64url'),
    ...members,
  };
  await writeSecretFile(path, JSON.stringify(jwk));
  return jwk;
}

/** The public half, with nothing but what a verifier needs. */
export function publicHalf(jwk: JWK): JWK {
  const { kty, crv, x, alg, use, kid } = jwk;
  return Object.fromEntries(
    Object.entries({ kty, crv, x, alg, use, kid }).filter(([, value]) => value !== undefined),
  ) as JWK;
}
