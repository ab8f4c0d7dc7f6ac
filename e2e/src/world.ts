/**
 * The demo's two organisations in a data directory of one test file: acme hosts the models, globex is a partner with an issuer
 * of its own and a grant. Tokens of any role, clients that carry them, and the folder's removal.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mintDevelopmentToken } from '@cogmesh/identity';
import { addPartner, type DataDirectory, initialiseDataDirectory } from '@cogmesh/mesh';
import { CogmeshClient } from '@cogmesh/sdk';
import { root } from './processes.js';

export type Organisation = 'acme' | 'globex';

export interface World {
  readonly directory: DataDirectory;
  token(organisation: Organisation, role: string, options?: { readonly ttlSeconds?: number }): Promise<string>;
  /** A client that renews its token by itself. */
  client(url: string, organisation: Organisation, role: string): CogmeshClient;
  remove(): Promise<void>;
}

export interface WorldOptions {
  /** When acme's grant to globex ends, milliseconds since 1970. Default: in a day. */
  readonly grantExpiresAtMs?: number;
}

const DAY_MS = 86_400_000;
const TOKEN_TTL_SECONDS = 3_600;

export const demoFile = (name: string) => join(root, 'deploy/demo', name);

const policiesOf = async (organisation: Organisation): Promise<unknown> =>
  JSON.parse(await readFile(demoFile(`policies/${organisation}.json`), 'utf8'));

export async function createWorld({ grantExpiresAtMs = Date.now() + DAY_MS }: WorldOptions = {}): Promise<World> {
  const path = await mkdtemp(join(tmpdir(), 'cogmesh-e2e-'));
  const directory = await initialiseDataDirectory(path, {
    hostOrganisation: 'acme',
    policies: await policiesOf('acme'),
  });
  await addPartner(directory, {
    organisation: 'globex',
    roles: ['reader', 'viewer'],
    policies: await policiesOf('globex'),
    grant: {
      id: 'grant-acme-globex',
      grantor: 'acme',
      grantee: 'globex',
      actions: ['infer', 'read', 'list'],
      resources: ['/models/acme/*'],
      expiresAtMs: grantExpiresAtMs,
      issuedAtMs: Math.min(Date.now(), grantExpiresAtMs - DAY_MS),
    },
  });
  const token: World['token'] = (organisation, role, { ttlSeconds = TOKEN_TTL_SECONDS } = {}) =>
    mintDevelopmentToken(directory.keysDir, {
      sub: `${role}-of-${organisation}`,
      roles: [role],
      ttlSeconds,
      issuerName: organisation === 'acme' ? 'development' : organisation,
    });
  return {
    directory,
    token,
    client: (url, organisation, role) =>
      new CogmeshClient({ baseUrl: url, getToken: () => token(organisation, role), maxRetries: 8 }),
    remove: () => rm(path, { recursive: true, force: true }),
  };
}
