/** The demo's world in an empty data directory: acme hosts the models, globex is a partner with its own issuer and a grant. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { addPartner, type DataDirectory, initialiseDataDirectory } from '@cogmesh/mesh';

export const host = 'acme';
export const partner = 'globex';

const DAY_MS = 86_400_000;

/** `deploy/demo` of the checkout, from `apps/cli/dist/demo` and `apps/cli/src/demo` alike. */
export const demoFile = (name: string) => fileURLToPath(new URL(`../../../../deploy/demo/${name}`, import.meta.url));

const policiesOf = async (organisation: string): Promise<unknown> =>
  JSON.parse(await readFile(demoFile(join('policies', `${organisation}.json`)), 'utf8'));

export async function prepareDemo(path: string): Promise<DataDirectory> {
  const directory = await initialiseDataDirectory(path, { hostOrganisation: host, policies: await policiesOf(host) });
  await addPartner(directory, {
    organisation: partner,
    roles: ['reader', 'viewer'],
    policies: await policiesOf(partner),
    grant: {
      id: 'grant-acme-globex-ocr',
      grantor: host,
      grantee: partner,
      actions: ['infer', 'read', 'list'],
      resources: ['/models/acme/*'],
      expiresAtMs: Date.now() + 30 * DAY_MS,
      purpose: 'globex reads its invoices with acme’s models',
    },
  });
  return directory;
}
