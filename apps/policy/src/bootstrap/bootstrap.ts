/** Adds what the bootstrap folder names and the database does not know yet. What is known stays as it was changed since. */
import { CogmeshError } from '@cogmesh/errors';
import type { Logger } from '@cogmesh/telemetry';
import type { GrantVerifier } from '../checked-policies.js';
import type { PolicyStore } from '../policy-store.js';
import { readBootstrap } from './read-bootstrap.js';

export interface BootstrapParts {
  readonly store: PolicyStore;
  readonly verifier: GrantVerifier;
  readonly logger: Logger;
}

/** Whether issuers were added. `invalid_config` when anything in the folder is wrong; then nothing was added. */
export async function bootstrap(dir: string, { store, verifier, logger }: BootstrapParts): Promise<boolean> {
  if (dir === '') return false;
  const write = await readBootstrap(dir, verifier);
  const known = new Set([...(await store.epochs()).keys(), ...write.organisations.map(({ name }) => name)]);
  const homeless = write.issuers.find(({ organisation }) => !known.has(organisation));
  if (homeless !== undefined)
    throw new CogmeshError(
      'invalid_config',
      `${dir}/issuers.json: ${homeless.issuer} is of ${homeless.organisation}, which does not exist`,
    );
  const added = await store.addMissing(write);
  if (added.organisations.length + added.issuers.length > 0) logger.info({ dir, ...added }, 'bootstrap data added');
  return added.issuers.length > 0;
}
