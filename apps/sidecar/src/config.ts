import { z } from 'zod';
import { defineConfig, flag, integer, setting, text, type ConfigOf } from '@cogmesh/config';

/** Settings of a sidecar. Policy replica, decision cache and the shared secret are configured as everywhere, see `enforcement`. */
export const sidecarConfig = defineConfig('sidecar', {
  service: setting(
    'COGMESH_SIDECAR_SERVICE',
    z.enum(['gateway', 'policy', 'scheduler', 'registry', 'worker']).default('scheduler'),
    'The service it guards; the audience of every token it accepts.',
  ),
  upstream: setting(
    'COGMESH_SIDECAR_UPSTREAM',
    text('127.0.0.1:7030'),
    'gRPC address of that service, `host:port` or `unix:/path`.',
  ),
  extAuthz: setting(
    'COGMESH_SIDECAR_EXT_AUTHZ',
    flag(true),
    'Answers `envoy.service.auth.v3.Authorization/Check` on the same address, for an Envoy or Istio that asks whether a request may pass. It tells a caller only what the token it shows may do.',
  ),
  maxConnections: setting(
    'COGMESH_SIDECAR_MAX_CONNECTIONS',
    integer({ min: 1, max: 100_000, default: 1_000 }),
    'Connections accepted at once; more are closed.',
  ),
  maxStreams: setting(
    'COGMESH_SIDECAR_MAX_STREAMS',
    integer({ min: 1, max: 100_000, default: 1_000 }),
    'Calls at once on one connection; more wait at the caller.',
  ),
  maxHeaderBytes: setting(
    'COGMESH_SIDECAR_MAX_HEADER_BYTES',
    integer({ min: 4_096, max: 63_488, default: 60_000 }),
    'Headers of one call, bytes as HTTP/2 counts them; more is refused. Peers accept 65,535 with what the sidecar adds.',
  ),
  maxBodyBytes: setting(
    'COGMESH_SIDECAR_MAX_BODY_BYTES',
    integer({ min: 0, max: Number.MAX_SAFE_INTEGER, default: 0 }),
    'Bytes one call may send in all; 0 means no limit, for streams that live for days. A single message is limited by the service.',
  ),
  windowBytes: setting(
    'COGMESH_SIDECAR_WINDOW_BYTES',
    integer({ min: 65_535, max: 16_777_216, default: 262_144 }),
    'Bytes buffered per call and direction before the sender has to wait.',
  ),
  connectTimeoutMs: setting(
    'COGMESH_SIDECAR_CONNECT_TIMEOUT_MS',
    integer({ min: 10, max: 60_000, default: 2_000 }),
    'How long a call waits for a connection to the service, milliseconds.',
  ),
  idleTimeoutMs: setting(
    'COGMESH_SIDECAR_IDLE_TIMEOUT_MS',
    integer({ min: 100, max: 86_400_000, default: 300_000 }),
    'How long a connection without a call is kept, milliseconds; bytes that never become a call do not prolong it.',
  ),
  drainTimeoutMs: setting(
    'COGMESH_SIDECAR_DRAIN_TIMEOUT_MS',
    integer({ min: 0, max: 600_000, default: 10_000 }),
    'How long calls in flight may finish when the sidecar stops, milliseconds.',
  ),
});

export type SidecarConfig = ConfigOf<typeof sidecarConfig>;
