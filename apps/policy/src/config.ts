import { defineConfig, integer, setting, text, type ConfigOf } from '@cogmesh/config';

/** The policy service's own settings. */
export const policyConfig = defineConfig('policy', {
  bootstrapDir: setting(
    'COGMESH_POLICY_BOOTSTRAP_DIR',
    text(''),
    'Folder with organisations.json, issuers.json, policies/ and grants/, loaded at start where they are not known yet (docs/guides/policies.md). Empty means none.',
  ),
  refreshMs: setting(
    'COGMESH_POLICY_REFRESH_MS',
    integer({ min: 100, max: 600_000, default: 5_000 }),
    'How often the database is looked at for policies that another instance wrote, milliseconds. Events on the bus make it sooner.',
  ),
});

export type PolicyConfig = ConfigOf<typeof policyConfig>;
