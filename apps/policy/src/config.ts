import { defineConfig, flag, integer, setting, text, type ConfigOf } from '@cogmesh/config';

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
  informationTtlMs: setting(
    'COGMESH_POLICY_INFORMATION_TTL_MS',
    integer({ min: 0, max: 30_000, default: 1_000 }),
    'How long attributes of agents, and answers of information sources whose set says nothing else, count in decisions, milliseconds.',
  ),
  informationTimeoutMs: setting(
    'COGMESH_POLICY_INFORMATION_TIMEOUT_MS',
    integer({ min: 10, max: 2_000, default: 500 }),
    'How long a decision waits for such attributes, milliseconds; then they are missing.',
  ),
  informationBodyBytes: setting(
    'COGMESH_POLICY_INFORMATION_BODY_BYTES',
    integer({ min: 1_024, max: 16_777_216, default: 262_144 }),
    'Bytes that an information source may answer at most.',
  ),
  informationPrivateAddresses: setting(
    'COGMESH_POLICY_INFORMATION_PRIVATE_ADDRESSES',
    flag(false),
    'Information sources may be asked over plain http and at addresses that are not of the public internet.',
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
