import { defineConfig, integer, setting, text, type ConfigOf } from '@cogmesh/config';

const milliseconds = (fallback: number, bounds: { min?: number; max?: number } = {}) =>
  integer({ min: bounds.min ?? 10, max: bounds.max ?? 3_600_000, default: fallback });

/** The registry's own settings. */
export const registryConfig = defineConfig('registry', {
  hostOrganisation: setting('COGMESH_HOST_ORGANISATION', text('acme'), 'Organisation that platform workers belong to.'),
  heartbeatMs: setting(
    'COGMESH_HEARTBEAT_MS',
    milliseconds(2_000),
    'Between two heartbeats of an agent, milliseconds; agents are told it. Keep three of them below the lease of the scheduler.',
  ),
  missedHeartbeats: setting(
    'COGMESH_MISSED_HEARTBEATS',
    integer({ min: 1, max: 100, default: 3 }),
    'Heartbeats that may be missing before an agent is LOST.',
  ),
  reconnectGraceMs: setting(
    'COGMESH_AGENT_RECONNECT_GRACE_MS',
    milliseconds(3_000),
    'How long an agent whose stream broke may take to come back before it is LOST, milliseconds.',
  ),
  restartGraceMs: setting(
    'COGMESH_AGENT_RESTART_GRACE_MS',
    milliseconds(15_000),
    'How long agents may take to come back after the registry started, milliseconds.',
  ),
  helloTimeoutMs: setting(
    'COGMESH_HELLO_TIMEOUT_MS',
    milliseconds(5_000),
    'How long a new stream may take to say who it is, milliseconds.',
  ),
  renewAfterMs: setting(
    'COGMESH_RENEW_AFTER_MS',
    milliseconds(500),
    'Lease renewals are collected for this long before they go to the scheduler together, milliseconds.',
  ),
  renewAtAttempts: setting(
    'COGMESH_RENEW_AT_ATTEMPTS',
    integer({ min: 1, max: 100_000, default: 1_000 }),
    'Collected attempts that are sent at once.',
  ),
  portraitFlushMs: setting(
    'COGMESH_PORTRAIT_FLUSH_MS',
    milliseconds(5_000),
    'Between two writes of portraits and heartbeat times to the database, milliseconds.',
  ),
  maxAgents: setting(
    'COGMESH_MAX_AGENTS',
    integer({ min: 1, max: 1_000_000, default: 10_000 }),
    'Agents connected at once; more are refused (overloaded).',
  ),
  issuerRefreshMs: setting(
    'COGMESH_ISSUER_REFRESH_MS',
    milliseconds(5_000),
    'Between two looks at the issuer registry, milliseconds; a change is also hinted.',
  ),
  recheckMs: setting(
    'COGMESH_AGENT_RECHECK_MS',
    milliseconds(30_000),
    'Between two checks that a connected SDK agent may still serve its tools, milliseconds.',
  ),
  drainMs: setting(
    'COGMESH_REGISTRY_DRAIN_MS',
    milliseconds(5_000, { min: 0 }),
    'How long a stop waits for answers that are on their way, milliseconds.',
  ),
});

export type RegistryConfig = ConfigOf<typeof registryConfig>;
