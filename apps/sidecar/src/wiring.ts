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
  openShippedLog,
  readSidecarSecret,
  sidecarSecretBytes,
} from '@cogmesh/enforcement';
import { loadServiceIdentity, type ServiceIdentity } from '@cogmesh/identity';
import { serveRpc, type ServiceBinding } from '@cogmesh/rpc';
import type { Readiness, ServiceHost } from '@cogmesh/service';
import type { Logger } from '@cogmesh/telemetry';
import type { SidecarConfig } from './config.js';
import { externalCheckMethod, openExternalCheck } from './ext-authz/open-external-check.js';
import { openFront } from './proxy/front.js';
import { Proxy } from './proxy/proxy.js';
import { Router } from './proxy/router.js';
import { Upstream } from './proxy/upstream.js';
import { authorizationRpc } from './rpc/authorization.rpc.js';
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
    ...{ identity, policyAddress: peers.policy, dir, config: settings, logger },
    security: host.security,
  });
  const log = await openShippedLog({ ...host, identity, policyAddress: peers.policy, point: service, dir });
  const authenticate = createEnforcer({ service, verifier, source: replica, ...settings, log });

  const secure = { security: host.security, service };
  const upstream = new Upstream({ ...config, address: config.upstream, secure });
  const prove = createSidecarProof(secret);
  const external = openExternalCheck({
    ...{ identity, policyAddress: peers.policy, environment: host.environment, settings, logger },
    ...{ authenticate, prove, source: replica, log, security: host.security },
  });
  const openMethods = new Set(config.extAuthz ? [externalCheckMethod] : []);
  const checkTaskGrant = createTaskGrantCheck({ verifier, source: replica, log, ...settings });
  const grants = new GrantDesk({ check: checkTaskGrant, logger });
  const services = [enforcementRpc({ grants, poke: () => replica.poke() }), authorizationRpc(external.check, logger)];
  const own = await openOwnService({ config, verifier, services, openMethods, logger });
  const router = new Router({
    service,
    verifier,
    authenticate,
    toService: { upstream, prove },
    toSidecar: own.route,
    openMethods,
  });
  const front = await openFront({
    address: host.listen,
    limits: config,
    security: host.security,
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
      await log.close();
      await closeReplica();
      upstream.close();
      await own.close();
      external.close();
    },
  };
}

interface OwnService {
  readonly config: SidecarConfig;
  readonly verifier: ServiceIdentity['verifier'];
  readonly services: readonly ServiceBinding[];
  readonly openMethods: ReadonlySet<string>;
  readonly logger: Logger;
}

/** The sidecar's own service stands behind the same proxy, so that the proxy itself parses no messages. */
async function openOwnService({ config, verifier, services, openMethods, logger }: OwnService) {
  const { service } = config;
  const secret = randomBytes(sidecarSecretBytes);
  const server = await serveRpc({
    address: '127.0.0.1:0',
    services,
    authenticate: createBehindSidecar({ service, secret, verifier, anonymous: openMethods }),
    logger,
  });
  const upstream = new Upstream({ ...config, address: server.address });
  return {
    route: { upstream, prove: createSidecarProof(secret) },
    close: async () => {
      upstream.close();
      await server.stop();
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
