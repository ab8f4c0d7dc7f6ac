/** A replica that asks the policy service over gRPC with a service's own identity. */
import { join } from 'node:path';
import { policyV1 } from '@cogmesh/contracts';
import type { ServiceIdentity } from '@cogmesh/identity';
import { createClient, openChannel, type TransportSecurity } from '@cogmesh/rpc';
import { spanNames, withSpan, type Logger } from '@cogmesh/telemetry';
import { authorisation } from './authorisation.js';
import { FileBundleStore } from './bundle-store.js';
import type { EnforcementConfig } from './config.js';
import { DecisionCache } from './decision-cache.js';
import { bundleAnswerMaxBytes, bundleHoldMaxMs, pollTimeoutMs } from './limits.js';
import { PolicyReplica } from './policy-replica.js';
import type { RefusedUpdate } from './refused-updates.js';
import { unsampledParent } from './unsampled.js';

export interface OpenReplicaOptions {
  readonly identity: ServiceIdentity;
  /** gRPC address of the policy service or its sidecar. */
  readonly policyAddress: string;
  /** Mutual TLS of this process. */
  readonly security?: TransportSecurity | undefined;
  /** Folder for this point's copy of the bundles. */
  readonly dir: string;
  readonly config: Pick<EnforcementConfig, 'pollIntervalMs' | 'maxStalenessMs' | 'decisionCacheEntries'>;
  readonly logger: Logger;
}

export interface OpenedReplica {
  /** Asks nothing before its `start`. */
  readonly replica: PolicyReplica;
  /** For decisions by it. */
  readonly cache: DecisionCache;
  close(): Promise<void>;
}

/** A replica on a channel of its own, not started. */
export function openReplica(options: OpenReplicaOptions): OpenedReplica {
  const { identity, logger, config } = options;
  const channel = openChannel({
    target: options.policyAddress,
    authorize: authorisation(identity, 'policy'),
    secure: { security: options.security, service: 'policy' },
    maxMessageBytes: bundleAnswerMaxBytes,
  });
  const client = createClient(policyV1.PolicyService, channel);
  const replica = new PolicyReplica({
    fetch: ({ refused, ...question }, signal) =>
      withSpan(spanNames.enforce, { parent: unsampledParent() }, () =>
        client.getBundle(
          { ...question, refused: refused.map(fromRefused) },
          { deadlineMs: pollTimeoutMs + question.waitMs, signal },
        ),
      ),
    verifier: identity.verifier,
    store: new FileBundleStore(join(options.dir, 'policies')),
    logger,
    pollIntervalMs: config.pollIntervalMs,
    maxStalenessMs: config.maxStalenessMs,
    holdMs: Math.floor(Math.min(config.pollIntervalMs, bundleHoldMaxMs, config.maxStalenessMs / 2)),
  });
  const close = async (): Promise<void> => {
    await replica.stop();
    channel.close();
  };
  return { replica, cache: new DecisionCache(config.decisionCacheEntries), close };
}

function fromRefused({ atMs, epoch, ...update }: RefusedUpdate) {
  return { ...update, epoch: BigInt(epoch), atMs: BigInt(Math.round(atMs)) };
}
