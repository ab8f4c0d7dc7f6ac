import { z } from 'zod';
import { defineConfig, integer, setting, text, type ConfigOf } from '@cogmesh/config';

/** Settings of the enforcement point of every service. */
export const enforcementConfig = defineConfig('enforcement', {
  mode: setting(
    'COGMESH_ENFORCEMENT',
    z.enum(['in-process', 'sidecar']).default('in-process'),
    '`in-process`: the service checks every call itself. `sidecar`: a sidecar does, and only calls that carry its proof are served.',
  ),
  sidecarAddress: setting(
    'COGMESH_SIDECAR_ADDRESS',
    text(''),
    'gRPC address of this service’s own sidecar, `host:port` or `unix:/path`; a worker asks it about task grants.',
  ),
  sidecarSecretFile: setting(
    'COGMESH_SIDECAR_SECRET_FILE',
    text(''),
    'File (mode 0600) with the secret that the sidecar and its service share, 32 bytes as base64url.',
  ),
  sidecarSecretDescriptor: setting(
    'COGMESH_SIDECAR_SECRET_FD',
    integer({ min: -1, max: 1_000, default: -1 }),
    'Inherited file descriptor to read that secret from instead; -1 means none.',
  ),
  pollIntervalMs: setting(
    'COGMESH_POLICY_POLL_MS',
    integer({ min: 50, max: 60_000, default: 1_000 }),
    'How often the policy service is asked for changes and its heartbeat, milliseconds.',
  ),
  maxStalenessMs: setting(
    'COGMESH_POLICY_MAX_STALENESS_MS',
    integer({ min: 100, max: 600_000, default: 5_000 }),
    'Age of the last confirmed policies from which on every check is refused, milliseconds. Raise it to ride out longer outages of the policy service, at the price of later revocation.',
  ),
  decisionCacheEntries: setting(
    'COGMESH_DECISION_CACHE_ENTRIES',
    integer({ min: 0, max: 1_000_000, default: 50_000 }),
    'Decisions kept per enforcement point; 0 decides every time.',
  ),
});

export type EnforcementConfig = ConfigOf<typeof enforcementConfig>;
