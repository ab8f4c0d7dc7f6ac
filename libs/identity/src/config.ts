import { defineConfig, flag, integer, loadConfig, setting, type Environment } from '@cogmesh/config';
import type { OutsideTokenVerifierOptions } from './outside-token-verifier.js';

/** Settings of whoever verifies outside tokens or registers issuers. */
export const identityConfig = defineConfig('identity', {
  privateAddresses: setting(
    'COGMESH_ISSUER_PRIVATE_ADDRESSES',
    flag(false),
    'The key sets of issuers may be read over plain http and from addresses that are not of the public internet: for an OpenID provider inside one’s own network.',
  ),
  refreshMs: setting(
    'COGMESH_ISSUER_KEYS_REFRESH_MS',
    integer({ min: 1_000, max: 86_400_000, default: 300_000 }),
    'Age from which the key set that an issuer publishes is fetched again, milliseconds. A key that is not known is looked for sooner.',
  ),
  graceMs: setting(
    'COGMESH_ISSUER_KEYS_GRACE_MS',
    integer({ min: 0, max: 7 * 86_400_000, default: 3_600_000 }),
    'How long the keys last seen serve beyond that while the key set cannot be read, milliseconds; then the issuer’s tokens are refused (503).',
  ),
  fetchEveryMs: setting(
    'COGMESH_ISSUER_KEYS_FETCH_EVERY_MS',
    integer({ min: 100, max: 3_600_000, default: 10_000 }),
    'Each issuer’s key set is fetched at most once per this time, milliseconds, whatever keys strangers name; three fetches may be saved up.',
  ),
});

/** How the environment wants key sets to be fetched. */
export function keyFetching(environment: Environment): OutsideTokenVerifierOptions {
  const { privateAddresses, ...times } = loadConfig(identityConfig, environment);
  return { ...times, allowPrivateKeyUris: privateAddresses };
}
