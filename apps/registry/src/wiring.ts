/** The composition root of the registry: read from top to bottom, it is the service. */
import { gatewayV1, policyV1, schedulerV1 } from '@cogmesh/contracts';
import {
  authorisation,
  enforcementConfig,
  openEnforcement,
  openReplica,
  type CheckTaskGrant,
  type Enforcement,
  type PolicySource,
} from '@cogmesh/enforcement';
import { loadConfig } from '@cogmesh/config';
import { CogmeshError } from '@cogmesh/errors';
import { keyFetching } from '@cogmesh/identity';
import { AgentRoster, LeaseRenewals, PendingInstructions, type AgentChange, type Clock } from '@cogmesh/registry-core';
import { createClient, openChannel, serveRpc, type Channel } from '@cogmesh/rpc';
import type { Readiness, ServiceHost } from '@cogmesh/service';
import { ulid } from 'ulid';
import { registryMigrations } from './adapters/migrations.js';
import { SqlAgentStore } from './adapters/sql-agent-store.js';
import { SqlInputSchemas } from './adapters/sql-input-schemas.js';
import { SqlRelayedAttempts } from './adapters/sql-relayed-attempts.js';
import { Admission } from './admission/admission.js';
import { IssuerDirectory } from './admission/issuer-directory.js';
import type { RegistryConfig } from './config.js';
import { onIssuersChanged } from './events/on-issuers-changed.js';
import { publishAgentChanged, registryEvents } from './events/publish-agent-changed.js';
import { OutputStore } from './relay/output-store.js';
import { RelayDesk } from './relay/relay-desk.js';
import { SchedulerMail } from './relay/scheduler-mail.js';
import { agentRpc } from './rpc/agent.rpc.js';
import { registryRpc } from './rpc/registry.rpc.js';
import { SchemaShelf } from './schemas/schema-shelf.js';
import { AgentStreams } from './streams/agent-streams.js';
import { Housekeeping } from './streams/housekeeping.js';
import { LeaseForwarder } from './streams/lease-forwarder.js';

export interface Registry {
  readonly address: string;
  readiness(): Promise<Readiness>;
  stop(): Promise<void>;
}

const clock: Clock = { wallMs: () => Date.now(), monotonicMs: () => performance.now() };

export async function buildRegistry(host: ServiceHost, config: RegistryConfig): Promise<Registry> {
  const { bus, database, logger } = host;
  await database.migrate(registryMigrations);
  await bus.declare({ exchanges: [registryEvents] });

  const enforcement = await openEnforcement({ ...host, service: 'registry' });
  const channels = openPeers(host, enforcement.identity);
  const policy = createClient(policyV1.PolicyService, channels.policy);
  const issuers = new IssuerDirectory({
    policy,
    clock,
    refreshMs: config.issuerRefreshMs,
    keys: keyFetching(host.environment),
  });
  const schemas = new SchemaShelf({ texts: new SqlInputSchemas(database), clock, logger });
  await schemas.load();
  const { source, close: closePolicies } = await openPolicies(host, enforcement);
  const admission = new Admission({ ...config, verifier: enforcement.identity, issuers, policy, schemas, source });

  const agents = await buildAgents(host, config);
  const leaving = new AbortController();
  const relays = buildRelays(host, { enforcement, source, gateway: channels.gateway, leaving });
  const parts = { ...config, ...agents, schemas, admission, relays, source, clock, logger };
  const streams = new AgentStreams({ ...parts, newId: ulid });
  const scheduler = createClient(schedulerV1.SchedulerService, channels.scheduler);
  const forwarder = new LeaseForwarder({ renewals: agents.renewals, scheduler, streams, relays, logger });
  const housekeeping = new Housekeeping({ ...parts, streams, forwarder, flushMs: config.portraitFlushMs });
  agents.onWrite(() => housekeeping.hurry());

  const hints = await onIssuersChanged(bus, issuers, () => housekeeping.issuersChanged());
  housekeeping.start();
  const server = await serveRpc({
    address: host.listen,
    services: [agentRpc(streams), registryRpc({ roster: agents.roster, schemas, streams })],
    authenticate: enforcement.authenticate,
    logger,
    security: host.security,
  });

  return {
    address: server.address,
    readiness: () => readiness(host, enforcement.ready()),
    stop: async () => {
      await hints.stop();
      await drain({ relays, drainMs: config.drainMs, leaving });
      // Nobody is declared lost because this registry sends everybody away; the last goodbyes are written after that.
      await housekeeping.stop();
      streams.endAll();
      await server.stop(config.drainMs);
      await housekeeping.stop();
      await enforcement.close();
      await closePolicies();
      for (const channel of Object.values(channels)) channel.close();
    },
  };
}

/** Who the agents are: as stored, as they change, and what is to be told of them. */
async function buildAgents({ bus, database, logger }: ServiceHost, config: RegistryConfig) {
  const store = new SqlAgentStore(database);
  const announce = publishAgentChanged(bus, logger);
  let hurry = () => {};
  const onChange = (change: AgentChange) => {
    hurry();
    announce(change, clock.wallMs());
  };
  const roster = new AgentRoster({ ...config, clock, missedLimit: config.missedHeartbeats, onChange });
  roster.restore(await store.load());
  const { renewAfterMs: flushAfterMs, renewAtAttempts: flushAtAttempts } = config;
  return {
    store,
    roster,
    renewals: new LeaseRenewals({ clock, flushAfterMs, flushAtAttempts }),
    pending: new PendingInstructions(clock),
    /** Called when a record should be written soon. */
    onWrite: (soon: () => void) => {
      hurry = soon;
    },
  };
}

/**
 * A copy of policies and revocations: whoever may not go on is to be sent away as soon as it is known. Behind a sidecar, which keeps its own
 * for the calls, the registry has another for the streams that stay open.
 */
async function openPolicies(
  { peers, dataDir: dir, environment, logger, security }: ServiceHost,
  { source, identity }: Enforcement,
): Promise<{ readonly source: PolicySource; close(): Promise<void> }> {
  if (source !== undefined) return { source, close: () => Promise.resolve() };
  const config = loadConfig(enforcementConfig, environment);
  const { replica, close } = openReplica({ identity, policyAddress: peers.policy, dir, config, logger, security });
  await replica.start();
  return { source: replica, close };
}

interface RelayParts {
  readonly enforcement: Enforcement;
  readonly source: PolicySource;
  readonly gateway: Channel;
  readonly leaving: AbortController;
}

/** The work of SDK agents between the broker and their streams. */
function buildRelays({ bus, database, logger }: ServiceHost, parts: RelayParts): RelayDesk {
  const { signal } = parts.leaving;
  const checkTaskGrant = unlessStale(parts.source, parts.enforcement.checkTaskGrant);
  const attempts = new SqlRelayedAttempts(database);
  const mail = new SchedulerMail(bus, signal);
  const outputs = new OutputStore(createClient(gatewayV1.BlobService, parts.gateway));
  return new RelayDesk({ bus, checkTaskGrant, mail, outputs, attempts, clock, logger, signal });
}

/** No agent gets work while it cannot be known whether it was sent away. */
function unlessStale(source: PolicySource, check: CheckTaskGrant): CheckTaskGrant {
  return async (question) => {
    try {
      source.assertFresh();
    } catch (thrown) {
      if (!(thrown instanceof CogmeshError)) throw thrown;
      return { allowed: false, code: thrown.code, reason: thrown.message };
    }
    return check(question);
  };
}

function openPeers(
  { peers, security }: ServiceHost,
  identity: Enforcement['identity'],
): Record<'policy' | 'scheduler' | 'gateway', Channel> {
  const open = (name: 'policy' | 'scheduler' | 'gateway') =>
    openChannel({
      target: peers[name],
      authorize: authorisation(identity, name),
      secure: { security, service: name },
    });
  return { policy: open('policy'), scheduler: open('scheduler'), gateway: open('gateway') };
}

/** Unstarted work goes back to the scheduler; what the broker does not take in time is delivered again by it. */
async function drain(parts: { relays: RelayDesk; drainMs: number; leaving: AbortController }): Promise<void> {
  const timer = setTimeout(() => parts.leaving.abort(), parts.drainMs);
  await parts.relays.stop();
  clearTimeout(timer);
  parts.leaving.abort();
}

async function readiness(
  { bus, database }: ServiceHost,
  enforcement: { ready: boolean; detail: string },
): Promise<Readiness> {
  const probe = async (ping: Promise<void>) =>
    ping.then(
      () => ({ ready: true }),
      (error: unknown) => ({ ready: false, detail: error instanceof Error ? error.message : String(error) }),
    );
  const checks = { bus: await probe(bus.ping()), database: await probe(database.ping()), enforcement };
  return { ready: Object.values(checks).every((check) => check.ready), checks };
}
