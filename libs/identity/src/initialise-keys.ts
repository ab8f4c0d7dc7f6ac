/**
 * Makes the keys of a data directory, and adds to them. Idempotent: what exists stays as it is, what is missing is made, and the
 * trust directory (public keys by name, signed by the root) is signed again when it changed. One process at a time.
 */
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { importJWK, SignJWT, type JWK } from 'jose';
import {
  checkedName,
  ensurePrivateKey,
  keyFiles,
  publicHalf,
  readIfPresent,
  readJwk,
  writeSecretFile,
} from './key-files.js';
import { tokenKinds } from './token-kinds.js';

/** Every identity of the product. A sidecar has its own: it may fetch bundles, not act as the service it guards. */
export const serviceNames = ['gateway', 'policy', 'scheduler', 'registry', 'worker', 'sidecar'] as const;

export interface InitialiseKeysOptions {
  readonly hostOrganisation: string;
  /** Identities beyond the product's own. */
  readonly services?: readonly string[];
  /** Also makes `issuers/development.jwk` for the host organisation. */
  readonly developmentIssuer?: boolean;
}

/** `https://dev.cogmesh.invalid`, reserved for the development issuer. */
export const developmentIssuerUrl = 'https://dev.cogmesh.invalid';

/** `iss` of the tokens that the gateway gives in exchange for others. */
export const exchangeIssuerUrl = 'https://exchange.cogmesh.invalid';

/** `aud` of those tokens. */
export const exchangeAudience = 'cogmesh';

/** Nobody registers these. */
export const reservedIssuers: readonly string[] = [developmentIssuerUrl, exchangeIssuerUrl];

/** Makes root, service, organisation and development issuer keys under `dir`, files 0600. */
export async function initialiseKeys(dir: string, options: InitialiseKeysOptions): Promise<void> {
  const root = await ensurePrivateKey(keyFiles.rootPrivate(dir));
  const rootPublic = JSON.stringify(publicHalf(root));
  if ((await readIfPresent(keyFiles.rootPublic(dir))) !== rootPublic)
    await writeSecretFile(keyFiles.rootPublic(dir), rootPublic);
  for (const name of [...serviceNames, ...(options.services ?? [])])
    await ensurePrivateKey(keyFiles.service(dir, name));
  await ensurePrivateKey(keyFiles.organisation(dir, options.hostOrganisation));
  if (options.developmentIssuer)
    await addIssuerKey(dir, 'development', { organisation: options.hostOrganisation, issuer: developmentIssuerUrl });
  await signTrust(dir, root);
}

/** Makes the signing key of one more organisation (for partner grants) and puts it into the trust directory. */
export async function addOrganisationKey(dir: string, organisation: string): Promise<void> {
  await ensurePrivateKey(keyFiles.organisation(dir, organisation));
  await signTrust(dir, await readJwk(keyFiles.rootPrivate(dir)));
}

export interface IssuerKeyOptions {
  /** Organisation the issuer speaks for. Default: the issuer's name. */
  readonly organisation?: string;
  /** Its `iss`. Default `https://<name>.issuers.cogmesh.invalid`. */
  readonly issuer?: string;
}

/** Makes the private key of an issuer of development or test tokens. Its file also remembers `iss` and organisation. */
export async function addIssuerKey(dir: string, name: string, options: IssuerKeyOptions = {}): Promise<void> {
  const organisation = checkedName(options.organisation ?? name);
  const issuer = options.issuer ?? `https://${checkedName(name)}.issuers.cogmesh.invalid`;
  await ensurePrivateKey(keyFiles.issuer(dir, name), { iss: issuer, organisation });
}

async function signTrust(dir: string, root: JWK): Promise<void> {
  const services = await publicKeysIn(join(dir, 'services'));
  const organisations = await publicKeysIn(join(dir, 'organisations'));
  const jws = await new SignJWT({ iss: 'root', iat: Math.floor(Date.now() / 1000), services, organisations })
    .setProtectedHeader({ alg: 'EdDSA', typ: tokenKinds.trust.typ })
    .sign(await importJWK(root, 'EdDSA'));
  await writeSecretFile(keyFiles.trust(dir), jws);
}

async function publicKeysIn(folder: string): Promise<Record<string, JWK>> {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.jwk')).sort();
  const entries = await Promise.all(
    files.map(async (file) => [basename(file, '.jwk'), publicHalf(await readJwk(join(folder, file)))] as const),
  );
  return Object.fromEntries(entries);
}
