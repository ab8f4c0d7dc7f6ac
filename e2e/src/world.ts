/**
 * Organisations in a data directory of one test file, by default the demo's two: acme hosts the models, others are partners
 * with an issuer of their own and a grant. Tokens of any role, clients that carry them, and the folder's removal.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mintDevelopmentToken } from '@cogmesh/identity';
import { addPartner, type DataDirectory, initialiseDataDirectory } from '@cogmesh/mesh';
import { CogmeshClient } from '@cogmesh/sdk';
import { root } from './processes.js';

/** Whoever hosts a mesh here, and then its partners. */
export const organisations = ['acme', 'globex', 'initech'] as const;
export type Organisation = (typeof organisations)[number];

export interface PolicySet {
  readonly roles: Readonly<Record<string, unknown>>;
  readonly [field: string]: unknown;
}

export interface World {
  readonly directory: DataDirectory;
  token(organisation: Organisation, role: string, options?: TokenOptions): Promise<string>;
  /** A client that renews its token by itself. */
  client(url: string, organisation: Organisation, role: string): CogmeshClient;
  remove(): Promise<void>;
}

export interface TokenOptions {
  readonly ttlSeconds?: number;
  /** Default: `<role>-of-<organisation>`. */
  readonly sub?: string;
}

export interface WorldOptions {
  /** When acme's grant to globex ends, milliseconds since 1970. Default: in a day. */
  readonly grantExpiresAtMs?: number;
  /** Default: globex. */
  readonly partners?: readonly Organisation[];
  /** What each allows whom. Default: as in the demo. */
  readonly policiesOf?: (organisation: Organisation) => PolicySet | Promise<PolicySet>;
}

const DAY_MS = 86_400_000;
const TOKEN_TTL_SECONDS = 3_600;

export const demoFile = (name: string) => join(root, 'deploy/demo', name);

const demoPoliciesOf = async (organisation: Organisation): Promise<PolicySet> =>
  JSON.parse(await readFile(demoFile(`policies/${organisation}.json`), 'utf8')) as PolicySet;

export async function createWorld({
  grantExpiresAtMs = Date.now() + DAY_MS,
  partners = ['globex'],
  policiesOf = demoPoliciesOf,
}: WorldOptions = {}): Promise<World> {
  const path = await mkdtemp(join(tmpdir(), 'cogmesh-e2e-'));
  const directory = await initialiseDataDirectory(path, {
    hostOrganisation: 'acme',
    policies: await policiesOf('acme'),
  });
  for (const organisation of partners) {
    const policies = await policiesOf(organisation);
    await addPartner(directory, {
      organisation,
      roles: Object.keys(policies.roles),
      policies,
      grant: {
        id: `grant-acme-${organisation}`,
        grantor: 'acme',
        grantee: organisation,
        actions: ['infer', 'read', 'list'],
        resources: ['/models/acme/*'],
        expiresAtMs: grantExpiresAtMs,
        issuedAtMs: Math.min(Date.now(), grantExpiresAtMs - DAY_MS),
      },
    });
  }
  const token: World['token'] = (organisation, role, { ttlSeconds = TOKEN_TTL_SECONDS, sub } = {}) =>
    mintDevelopmentToken(directory.keysDir, {
      sub: sub ?? `${role}-of-${organisation}`,
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
