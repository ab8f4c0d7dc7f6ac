/**
 * A data directory as `cogmesh init` makes it: keys, and the organisations, issuers and policies that the policy service
 * loads at its first start. Idempotent: what exists stays. `addOrganisation` is what a demonstration needs on top: a
 * second organisation with an issuer of its own and a grant from the host.
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import {
  addIssuerKey,
  addOrganisationKey,
  developmentIssuerRecord,
  initialiseKeys,
  type PartnerGrantRequest,
  signPartnerGrant,
} from '@cogmesh/identity';

export interface DataDirectory {
  readonly path: string;
  readonly keysDir: string;
  /** What the policy service loads where it knows nothing yet. */
  readonly bootstrapDir: string;
}

export interface InitOptions {
  readonly hostOrganisation: string;
  /** Policy set of the host; default: `admin` may do everything, `operator` all but policies, `viewer` may read. */
  readonly policies?: unknown;
}

/** The organisation that the directory was initialised for: the first one in it. Its workers belong to it. */
export async function hostOrganisationOf(directory: DataDirectory): Promise<string> {
  const list = JSON.parse(await readFile(join(directory.bootstrapDir, 'organisations.json'), 'utf8')) as Entry[];
  return String(list[0]?.['name'] ?? '');
}

/** Roles that tokens of the development issuer may claim. */
export const developmentRoles = ['admin', 'operator', 'reader', 'viewer', 'enforcement-point'];

export const dataDirectory = (path: string): DataDirectory => ({
  path: resolve(path),
  keysDir: join(resolve(path), 'keys'),
  bootstrapDir: join(resolve(path), 'bootstrap'),
});

export const isInitialised = (directory: DataDirectory) => existsSync(join(directory.keysDir, 'trust.jws'));

const defaultPolicies = [
  { id: 'admins-do-everything', policy: "role == 'admin'", permissions: ['*'], resources: ['/**'] },
  {
    id: 'operators-work',
    policy: "role == 'operator'",
    permissions: ['create', 'read', 'list', 'cancel', 'infer', 'serve', 'write', 'approve'],
    resources: [
      '/runs/**', '/runs', '/blobs/**', '/blobs', '/models/**', '/tools/**', '/agents', '/agents/**',
      '/schedules', '/webhooks',
    ], // prettier-ignore
  },
  { id: 'viewers-look', policy: "role == 'viewer'", permissions: ['read', 'list'], resources: ['/**'] },
];

export async function initialiseDataDirectory(path: string, options: InitOptions): Promise<DataDirectory> {
  const directory = dataDirectory(path);
  await mkdir(directory.path, { recursive: true, mode: 0o700 });
  await initialiseKeys(directory.keysDir, { hostOrganisation: options.hostOrganisation, developmentIssuer: true });
  await mkdir(join(directory.bootstrapDir, 'policies'), { recursive: true, mode: 0o700 });
  await mkdir(join(directory.bootstrapDir, 'grants'), { recursive: true, mode: 0o700 });
  await addToList(directory, 'organisations.json', 'name', { name: options.hostOrganisation });
  await addIssuer(directory, 'development', developmentRoles);
  await writeIfMissing(directory, `policies/${options.hostOrganisation}.json`, options.policies ?? defaultPolicies);
  return directory;
}

export interface PartnerOptions {
  readonly organisation: string;
  readonly roles: readonly string[];
  readonly policies: unknown;
  /** What the host grants it. */
  readonly grant: PartnerGrantRequest & { readonly id: string };
}

/** Adds an organisation with an issuer and keys of its own, and the host's signed grant. Before the first start only. */
export async function addPartner(directory: DataDirectory, partner: PartnerOptions): Promise<void> {
  await addOrganisationKey(directory.keysDir, partner.organisation);
  await addIssuerKey(directory.keysDir, partner.organisation, { organisation: partner.organisation });
  await addToList(directory, 'organisations.json', 'name', { name: partner.organisation });
  await addIssuer(directory, partner.organisation, partner.roles);
  await writeIfMissing(directory, `policies/${partner.organisation}.json`, partner.policies);
  const grant = await signPartnerGrant(directory.keysDir, partner.grant);
  await writeFile(join(directory.bootstrapDir, 'grants', `${partner.grant.id}.jws`), grant, { mode: 0o600 });
}

async function addIssuer(directory: DataDirectory, issuerName: string, allowedRoles: readonly string[]): Promise<void> {
  const record = await developmentIssuerRecord(directory.keysDir, { issuerName, allowedRoles });
  await addToList(directory, 'issuers.json', 'issuer', { ...record });
}

type Entry = Record<string, unknown>;

async function addToList(directory: DataDirectory, file: string, key: string, entry: Entry): Promise<void> {
  const path = join(directory.bootstrapDir, file);
  const list = existsSync(path) ? (JSON.parse(await readFile(path, 'utf8')) as Entry[]) : [];
  if (list.some((known) => known[key] === entry[key])) return;
  await writeFile(path, `${JSON.stringify([...list, entry], null, 2)}\n`, { mode: 0o600 });
}

async function writeIfMissing(directory: DataDirectory, file: string, content: unknown): Promise<void> {
  const path = join(directory.bootstrapDir, file);
  if (!existsSync(path)) await writeFile(path, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
}
