/**
 * The one call with which a service gets its enforcement, whichever of the three forms it takes: in process with a replica of its own,
 * in process on its own engine (the policy service), or behind a sidecar.
 */
import type { Bus } from '@cogmesh/bus';
import { loadConfig, type Environment } from '@cogmesh/config';
import { policyV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import { loadServiceIdentity, type ServiceIdentity } from '@cogmesh/identity';
import type { DecisionEngine } from '@cogmesh/policy-core';
import { createClient, openChannel, type Authenticate, type TransportSecurity } from '@cogmesh/rpc';
import type { Logger } from '@cogmesh/telemetry';
import { authorisation } from './authorisation.js';
import { createBehindSidecar } from './behind-sidecar.js';
import { enforcementConfig, type EnforcementConfig } from './config.js';
import { createEnforcer } from './enforcer.js';
import { pollTimeoutMs } from './limits.js';
import type { DecisionLog } from './log/decision-log.js';
import { openShippedLog } from './log/open-decision-log.js';
import { openReplica } from './open-replica.js';
import { followPolicyHints } from './policy-hints.js';
import { localPolicySource, type PolicySource } from './policy-source.js';
import { SidecarGrants } from './sidecar-grants.js';
import { readSidecarSecret } from './sidecar-secret.js';
import { createTaskGrantCheck, type CheckTaskGrant } from './task-grants.js';

/** As long as the sidecar's own question may take, and a little, milliseconds. */
const refreshDeadlineMs = pollTimeoutMs + 500;

export interface OpenEnforcementOptions {
  readonly service: string;
  readonly keysDir: string;
  /** The service's own folder; bundles are kept under `policies/`. */
  readonly dataDir: string;
  readonly peers: { readonly policy: string };
  readonly environment: Environment;
  readonly logger: Logger;
  /** Mutual TLS of this process. */
  readonly security?: TransportSecurity | undefined;
  /** Where changed policies are hinted at; without it they are found by asking alone. */
  readonly bus?: Pick<Bus, 'consume'>;
  /** The policy service's engine: it must not wait for itself. */
  readonly localEngine?: DecisionEngine;
  /** What it knows beside its engine. */
  readonly localParts?: Parameters<typeof localPolicySource>[1];
  /** The policy service's own decision log, which goes nowhere over the network; everybody else gets one here. */
  readonly log?: DecisionLog;
}

export interface Enforcement {
  readonly mode: 'in-process' | 'sidecar';
  readonly identity: ServiceIdentity;
  /** For `serveRpc({ authenticate })`. */
  readonly authenticate: Authenticate;
  readonly checkTaskGrant: CheckTaskGrant;
  /** Its copy of policies and revocations; absent behind a sidecar, which has it. */
  readonly source?: PolicySource;
  /** Whether checks are answered now. */
  ready(): { readonly ready: boolean; readonly detail: string };
  /** Looks for changed policies now; behind a sidecar, asks it to. Rejects with `unavailable` when the sidecar is away. */
  poke(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Throws `invalid_config` when a key or the sidecar's secret is missing. Resolves when policies were asked for once,
 * whatever the answer: until there is one, checks are refused as stale.
 */
export async function openEnforcement(options: OpenEnforcementOptions): Promise<Enforcement> {
  const config = loadConfig(enforcementConfig, options.environment);
  const identity = await loadServiceIdentity(options.keysDir, options.service);
  if (config.mode === 'sidecar') return hinted(options, behindSidecar(options, { config, identity }));
  if (options.localEngine !== undefined) {
    const parts = { options, identity, config, log: options.log };
    return inProcess(parts, localPolicySource(options.localEngine, options.localParts), {
      ready: () => ({ ready: true, detail: 'own policies' }),
      poke: () => Promise.resolve(),
      close: () => Promise.resolve(),
    });
  }
  const policyAddress = options.peers.policy;
  const log = await openShippedLog({
    ...options,
    identity,
    policyAddress,
    point: options.service,
    dir: options.dataDir,
  });
  const { replica, close: closeReplica } = openReplica({
    identity,
    config,
    policyAddress,
    dir: options.dataDir,
    logger: options.logger,
    security: options.security,
  });
  await replica.start();
  const close = async (): Promise<void> => {
    await log.close();
    await closeReplica();
  };
  const upkeep = { ready: () => replica.readiness(), poke: () => replica.poke(), close };
  return hinted(options, inProcess({ options, identity, config, log }, replica, upkeep));
}

/** Pokes it at each hint, until it is closed. */
async function hinted({ bus, service }: OpenEnforcementOptions, enforcement: Enforcement): Promise<Enforcement> {
  if (bus === undefined) return enforcement;
  const consumer = await followPolicyHints(bus, service, () => enforcement.poke());
  const close = async (): Promise<void> => {
    await consumer.stop();
    await enforcement.close();
  };
  return { ...enforcement, close };
}

interface Parts {
  readonly options: OpenEnforcementOptions;
  readonly identity: ServiceIdentity;
  readonly config: EnforcementConfig;
  readonly log?: DecisionLog | undefined;
}

function inProcess(
  { options, identity, config, log }: Parts,
  source: PolicySource,
  upkeep: Pick<Enforcement, 'ready' | 'poke' | 'close'>,
): Enforcement {
  const { verifier } = identity;
  const { decisionCacheEntries } = config;
  return {
    mode: 'in-process',
    identity,
    source,
    authenticate: createEnforcer({ service: options.service, verifier, source, decisionCacheEntries, log }),
    checkTaskGrant: createTaskGrantCheck({ verifier, source, decisionCacheEntries, log }),
    ...upkeep,
  };
}

function behindSidecar(
  { service, security }: OpenEnforcementOptions,
  { config, identity }: Omit<Parts, 'options'>,
): Enforcement {
  const secret = readSidecarSecret({ file: config.sidecarSecretFile, descriptor: config.sidecarSecretDescriptor });
  const channel =
    config.sidecarAddress === ''
      ? undefined
      : openChannel({
          target: config.sidecarAddress,
          authorize: authorisation(identity, service),
          secure: { security, service },
        });
  const client = channel && createClient(policyV1.EnforcementService, channel);
  const grants = client && new SidecarGrants({ client });
  const withoutSidecar: CheckTaskGrant = () =>
    Promise.reject(
      new CogmeshError('invalid_config', 'COGMESH_SIDECAR_ADDRESS is not set: task grants cannot be checked'),
    );
  return {
    mode: 'sidecar',
    identity,
    authenticate: createBehindSidecar({ service, secret, verifier: identity.verifier }),
    checkTaskGrant: grants?.check ?? withoutSidecar,
    ready: () => ({ ready: true, detail: 'behind a sidecar' }),
    poke: async () => void (await client?.refresh({}, { deadlineMs: refreshDeadlineMs })),
    close: async () => {
      grants?.close();
      channel?.close();
    },
  };
}
