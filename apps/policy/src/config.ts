import { defineConfig, integer, setting, text, type ConfigOf } from '@cogmesh/config';

/** The policy service's own settings. */
export const policyConfig = defineConfig('policy', {
  bootstrapDir: setting(
    'COGMESH_POLICY_BOOTSTRAP_DIR',
    text(''),
    'Folder with organisations.json, issuers.json, policies/ and grants/, loaded at start where they are not known yet (docs/guides/policies.md). Empty means none.',
  ),
  hostOrganisation: setting(
    'COGMESH_HOST_ORGANISATION',
    text('acme'),
    'Organisation whose administrators register issuers for every organisation.',
  ),
  bundleTtlSeconds: setting(
    'COGMESH_POLICY_BUNDLE_TTL_S',
    integer({ min: 60, max: 31_536_000, default: 86_400 }),
    'How long a signed bundle is good, seconds; it is signed anew when half of that is over.',
  ),
  refreshMs: setting(
    'COGMESH_POLICY_REFRESH_MS',
    integer({ min: 100, max: 600_000, default: 5_000 }),
    'How often the database is looked at for policies that another instance wrote, milliseconds. Events on the bus make it sooner.',
  ),
  auditKeepDays: setting(
    'COGMESH_AUDIT_KEEP_DAYS',
    integer({ min: 1, max: 36_500, default: 400 }),
    'How long entries of the decision log are kept, days.',
  ),
  auditSweepMs: setting(
    'COGMESH_AUDIT_SWEEP_MS',
    integer({ min: 1_000, max: 86_400_000, default: 3_600_000 }),
    'Between two removals of older entries, milliseconds.',
  ),
});

export type PolicyConfig = ConfigOf<typeof policyConfig>;
