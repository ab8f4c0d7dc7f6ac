/** The external authorization check with what it needs: issuers over a channel of its own, and decisions on the sidecar's replica. */
import type { Environment } from '@cogmesh/config';
import { extAuthzV3, policyV1 } from '@cogmesh/contracts';
import {
  AccessCheck,
  authorisation,
  DecisionCache,
  type DecisionLog,
  type EnforcementConfig,
  type createSidecarProof,
  type PolicySource,
} from '@cogmesh/enforcement';
import { keyFetching, OutsideTokenVerifier, type ServiceIdentity } from '@cogmesh/identity';
import { createClient, openChannel, type Authenticate, type TransportSecurity } from '@cogmesh/rpc';
import type { Logger } from '@cogmesh/telemetry';
import { ExternalCheck } from './check.js';
import { KnownIssuers } from './known-issuers.js';

export const externalCheckMethod = `/${extAuthzV3.Authorization.typeName}/${extAuthzV3.Authorization.method.check.name}`;

export interface OpenExternalCheckOptions {
  readonly identity: ServiceIdentity;
  /** gRPC address of the policy service or its sidecar. */
  readonly policyAddress: string;
  readonly security?: TransportSecurity | undefined;
  readonly environment: Environment;
  readonly settings: EnforcementConfig;
  readonly logger: Logger;
  readonly source: PolicySource;
  readonly log: DecisionLog;
  readonly authenticate: Authenticate;
  readonly prove: ReturnType<typeof createSidecarProof>;
}

/** Connects when the first outside token is to be verified. */
export function openExternalCheck(options: OpenExternalCheckOptions): { check: ExternalCheck; close(): void } {
  const { identity, settings, logger, source, authenticate, prove, log } = options;
  const channel = openChannel({
    target: options.policyAddress,
    authorize: authorisation(identity, 'policy'),
    secure: { security: options.security, service: 'policy' },
  });
  const outside = new OutsideTokenVerifier([], keyFetching(options.environment));
  const issuers = new KnownIssuers({
    policy: createClient(policyV1.PolicyService, channel),
    replace: (records) => outside.replaceIssuers(records),
    pollIntervalMs: settings.pollIntervalMs,
    maxStalenessMs: settings.maxStalenessMs,
    logger,
  });
  const access = new AccessCheck({ source, cache: new DecisionCache(settings.decisionCacheEntries), now: Date.now });
  const check = new ExternalCheck({ authenticate, prove, access, log, outside, issuers });
  return { check, close: () => channel.close() };
}
