/**
 * The composition root: a replica of the policies, the enforcer on it, the two places a call may go (the service, or the sidecar's own task
 * grant check), and the listener in front of them. The listener comes before the first question for policies, because the sidecar of
 * the policy service asks through itself.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { loadConfig } from '@cogmesh/config';
import {
  createBehindSidecar,
  createEnforcer,
  createSidecarProof,
  createTaskGrantCheck,
  enforcementConfig,
  openReplica,
  readSidecarSecret,
} from '@cogmesh/enforcement';
import { loadServiceIdentity } from '@cogmesh/identity';
import { serveRpc } from '@cogmesh/rpc';
import type { Readiness, ServiceHost } from '@cogmesh/service';
import type { SidecarConfig } from './config.js';
import { openFront } from './proxy/front.js';
import { Proxy } from './proxy/proxy.js';
import { Router } from './proxy/router.js';
import { Upstream } from './proxy/upstream.js';
import { enforcementRpc } from './rpc/enforcement.rpc.js';
import { GrantDesk } from './rpc/grant-desk.js';

export interface SidecarParts {
  /** Where it listens. */
  readonly address: string;
  readiness(): Promise<Readiness>;
  /** Lets calls in flight finish, then closes everything. */
  close(): Promise<void>;
}

export async function wireSidecar(host: ServiceHost, config: SidecarConfig): Promise<SidecarParts> {
  const { logger, keysDir, peers } = host;
  const { service } = config;
  const settings = loadConfig(enforcementConfig, host.environment);
  const secret = readSidecarSecret({ file: settings.sidecarSecretFile, descriptor: settings.sidecarSecretDescriptor });
  const identity = await loadServiceIdentity(keysDir, 'sidecar');
  const { verifier } = identity;
  const dir = join(host.dataDir, service);
  const { replica, close: closeReplica } = openReplica({
    identity,
    policyAddress: peers.policy,
    dir,
    config: settings,
    logger,
  });
  const { decisionCacheEntries } = settings;
  const authenticate = createEnforcer({ service, verifier, source: replica, decisionCacheEntries });

  const upstream = new Upstream({ ...config, address: config.upstream });
  // The sidecar's own service stands behind the same proxy, so that the proxy itself parses no messages.
  const ownSecret = randomBytes(secret.length);
  const checkTaskGrant = createTaskGrantCheck({ verifier, source: replica });
  const grants = new GrantDesk({ check: checkTaskGrant, logger });
  const own = await serveRpc({
    address: '127.0.0.1:0',
    services: [enforcementRpc({ checkTaskGrant, grants, poke: () => replica.poke() })],
    authenticate: createBehindSidecar({ service, secret: ownSecret, verifier }),
    logger,
  });
  const ownUpstream = new Upstream({ ...config, address: own.address });
  const router = new Router({
    service,
    verifier,
    authenticate,
    toService: { upstream, prove: createSidecarProof(secret) },
    toSidecar: { upstream: ownUpstream, prove: createSidecarProof(ownSecret) },
  });
  const front = await openFront({
    address: host.listen,
    limits: config,
    proxy: new Proxy({ router, limits: config, logger }),
  });
  await replica.start();

  return {
    address: front.address,
    readiness: () => readiness(replica.readiness(), upstream, service),
    close: async () => {
      const drained = front.close(config.drainTimeoutMs);
      grants.close();
      await drained;
      await closeReplica();
      upstream.close();
      ownUpstream.close();
      await own.stop();
    },
  };
}

/** Ready when policies are fresh. A service that is away is told, and does not take the sidecar out: calls are answered `unavailable`. */
async function readiness(
  policies: { readonly ready: boolean; readonly detail: string },
  upstream: Upstream,
  service: string,
): Promise<Readiness> {
  const reachable = await upstream.session().then(
    () => ({ ready: true }),
    (error: unknown) => ({ ready: false, detail: error instanceof Error ? error.message : String(error) }),
  );
  return { ready: policies.ready, checks: { policies, [service]: reachable } };
}
