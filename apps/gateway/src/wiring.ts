/**
 * The composition root: every object of the gateway is made here, in the order in which they need each other. What has a
 * life of its own (channels, timers, the trace store) is closed by `close`.
 */
import { join } from 'node:path';
import { FileBlobStore } from '@cogmesh/blobs';
import { loadConfig, type Environment } from '@cogmesh/config';
import {
  healthV1,
  policyAuditV1,
  policyGrantsV1,
  policyIssuersV1,
  policySearchV1,
  policyV1,
  policyVersionsV1,
  registryV1,
  revocationV1,
  schedulerV1,
} from '@cogmesh/contracts';
import {
  authorisation,
  enforcementConfig,
  mutatingMethods,
  openReplica,
  openShippedLog,
  type DecisionLog,
  type OpenedReplica,
} from '@cogmesh/enforcement';
import { CogmeshError } from '@cogmesh/errors';
import {
  exchangeActorsMax,
  exchangeTtlMs,
  keyFetching,
  loadServiceIdentity,
  OutsideTokenVerifier,
  type ServiceIdentity,
} from '@cogmesh/identity';
import { createClient, openChannel, type Authenticate, type Channel, type ServiceBinding } from '@cogmesh/rpc';
import type { ServiceHost } from '@cogmesh/service';
import { openTraceStore, type Logger } from '@cogmesh/telemetry';
import { IssuerDirectory } from './adapters/issuer-directory.js';
import { PolicyDecisions } from './adapters/policy-decisions.js';
import { ReplicaDecisions } from './adapters/replica-decisions.js';
import { SqlBlobRecords } from './adapters/sql-blob-records.js';
import { Admission, type Revocable } from './admission.js';
import { AllowedProperties } from './authzen/allowed-properties.js';
import { decisionPointUrl } from './authzen/metadata.js';
import type { HttpParts } from './app.module.js';
import { BlobSweeper } from './blobs/sweeper.js';
import type { GatewayConfig } from './config.js';
import { mayAct } from './exchange/may-act.js';
import { TokenExchange } from './exchange/token-exchange.js';
import { OpenStreams } from './http/open-streams.js';
import { isLoopback } from './listeners.js';
import type { Decisions } from './operations/authority.js';
import { buildOperations } from './operations/operations.js';
import { Obligations } from './operations/obligations.js';
import { PermittedCalls } from './operations/permitted-calls.js';
import type { OperationPorts, PolicyClient } from './operations/ports.js';
import { StreamSlots } from './operations/stream-slots.js';
import { RateLimit } from './rate-limit.js';
import { GatewayReadiness } from './readiness.js';
import { blobRpc } from './rpc/blob.rpc.js';
import { gatewayRpc } from './rpc/gateway.rpc.js';
import { GrpcCallers } from './rpc/grpc-authentication.js';

export interface Wiring {
  readonly http: HttpParts;
  readonly rpc: {
    readonly public: ServiceBinding;
    readonly blobs: ServiceBinding;
    readonly authenticate: Authenticate;
  };
  readonly issuers: IssuerDirectory;
  /** What is revoked, followed from `start` on. */
  readonly replica: OpenedReplica['replica'];
  readonly sweeper: BlobSweeper;
  close(): Promise<void>;
}

export async function wire(host: ServiceHost, config: GatewayConfig): Promise<Wiring> {
  const { logger, database, keysDir } = host;
  const identity = await loadServiceIdentity(keysDir, 'gateway');

  const channels = openChannels(host, identity);
  const policy = createClient(policyV1.PolicyService, channels.policy);
  const scheduler = createClient(schedulerV1.SchedulerService, channels.scheduler);
  const registry = createClient(registryV1.RegistryService, channels.registry);

  const opened = openPolicies(host, identity);
  const { replica, close: closeReplica } = opened;
  const { issuers, admission, allowedRoles } = wireAdmission({ ...host, identity, config, policy, revocable: replica });

  const { sweeper, ...blobs } = wireBlobs(host, config);
  const traces = config.traceStore === '' ? undefined : await openTraceStore(config.traceStore);

  const log = await openLog(host, identity);
  const ports: OperationPorts = {
    decisions: wireDecisions({ policy, opened, log, logger }),
    calls: permittedCalls(identity, replica),
    scheduler,
    registry,
    policy,
    ...policyClients(channels.policy),
    askers: { role: config.authzenRole, properties: new AllowedProperties(config.authzenProperties), allowedRoles },
    ...blobs,
    traces,
    streams: new StreamSlots(config.streamsPerOrganisation),
    limits: config,
    now: Date.now,
  };
  const operations = buildOperations(ports);
  const callers = new GrpcCallers(admission, identity, config);
  const streams = new OpenStreams();
  const checks = {
    issuers: () => issuers.assertFresh(),
    revocations: () => replica.assertFresh(),
    database: () => database.ping(),
    blobs: () => blobs.blobStore.ping(),
    ...neighbourChecks(channels),
  };
  const readiness = new GatewayReadiness({ checks, registry, tellModels: isLoopback(config.httpListen) });
  const exchange = wireExchange({ identity, admission, policy });
  const settings = { ...config, authzenMetadata: authzenMetadataOf(config) };
  return {
    http: { operations, admission, exchange, settings, readiness, streams, logger },
    rpc: {
      public: { ...gatewayRpc(operations, callers, streams.closing), edge: true },
      blobs: blobRpc(ports, identity),
      authenticate: callers.authenticate,
    },
    issuers,
    replica,
    sweeper,
    close: async () => {
      issuers.stop();
      await closeReplica();
      await sweeper.stop();
      await log.close();
      for (const channel of Object.values(channels)) channel.close();
      await traces?.close();
    },
  };
}

function permittedCalls(identity: ServiceIdentity, replica: OpenedReplica['replica']): PermittedCalls {
  return new PermittedCalls({
    mint: ({ audience, method, permission }) => identity.mintPermit({ audience, method, ...permission }),
    // Who has changed a policy here is judged by it from the next call on.
    succeeded: (audience, method) =>
      audience === 'policy' && mutatingMethods.has(method) ? replica.poke() : undefined,
  });
}

interface DecisionParts {
  readonly policy: PolicyClient;
  readonly opened: OpenedReplica;
  readonly log: DecisionLog;
  readonly logger: Logger;
}

function wireDecisions({ policy, opened: { replica, cache }, log, logger }: DecisionParts): Decisions {
  const obligations = new Obligations(logger);
  const remote = new PolicyDecisions(policy, obligations, log);
  return new ReplicaDecisions({ replica, cache, remote, obligations, log, now: Date.now });
}

function wireBlobs({ database, dataDir, logger }: ServiceHost, { blobSweepMs: everyMs }: GatewayConfig) {
  const blobRecords = new SqlBlobRecords(database);
  const blobStore = new FileBlobStore(join(dataDir, 'blobs'));
  return {
    blobRecords,
    blobStore,
    sweeper: new BlobSweeper({ records: blobRecords, store: blobStore, everyMs, logger }),
  };
}

/** Policies and revocations as of now; what is revoked is refused here, the rest is the policy service's to decide. */
function openPolicies({ peers, dataDir: dir, environment, logger, security }: ServiceHost, identity: ServiceIdentity) {
  const config = loadConfig(enforcementConfig, environment);
  return openReplica({ identity, policyAddress: peers.policy, dir, config, logger, security });
}

function policyClients(channel: Channel) {
  return {
    audit: createClient(policyAuditV1.AuditService, channel),
    revocations: createClient(revocationV1.RevocationService, channel),
    policyVersions: createClient(policyVersionsV1.PolicyVersionService, channel),
    issuers: createClient(policyIssuersV1.IssuerService, channel),
    grants: createClient(policyGrantsV1.GrantService, channel),
    search: createClient(policySearchV1.SearchService, channel),
  };
}

function authzenMetadataOf({ authzenUrl, httpListen, tlsCert }: GatewayConfig) {
  const scheme = tlsCert === '' ? ('http' as const) : ('https' as const);
  return { url: decisionPointUrl(authzenUrl), loopback: isLoopback(httpListen), scheme };
}

interface AdmissionParts {
  readonly identity: ServiceIdentity;
  readonly config: GatewayConfig;
  readonly policy: PolicyClient;
  readonly logger: Logger;
  readonly environment: Environment;
  readonly revocable: Revocable;
}

function wireAdmission({ identity, config, policy, logger, environment, revocable }: AdmissionParts) {
  let roles = new Map<string, readonly string[]>();
  const exchanged = (token: string) => identity.verifier.verifyExchangeToken(token);
  const verifier = new OutsideTokenVerifier([], { ...keyFetching(environment), exchanged });
  const issuers = new IssuerDirectory({
    policy,
    replace: (records) => {
      verifier.replaceIssuers(records);
      roles = new Map(records.map(({ issuer, allowedRoles }) => [issuer, allowedRoles]));
    },
    refreshMs: config.issuerRefreshMs,
    maxStalenessMs: config.issuerStalenessMs,
    logger,
  });
  const now = () => performance.now();
  const rate = new RateLimit({ perSecond: config.ratePerSecond, burst: config.rateBurst, now });
  const perSecond = config.authzenRatePerSecond;
  const decisions = { role: config.authzenRole, rate: new RateLimit({ perSecond, burst: perSecond, now }) };
  const allowedRoles = (issuer: string) => roles.get(issuer) ?? [];
  return { issuers, admission: new Admission({ verifier, issuers, rate, decisions, revocable }), allowedRoles };
}

function wireExchange({ identity, admission, policy }: ExchangeParts): TokenExchange {
  return new TokenExchange({
    admission,
    mayAct: (actor, organisation) => mayAct(policy, actor, organisation),
    mint: (claims) => identity.mintExchangeToken(claims),
    actorsMax: exchangeActorsMax,
    ttlMs: exchangeTtlMs,
    now: Date.now,
  });
}

interface ExchangeParts {
  readonly identity: ServiceIdentity;
  readonly admission: Admission;
  readonly policy: PolicyClient;
}

function openLog({ peers, environment, dataDir: dir, logger, security }: ServiceHost, identity: ServiceIdentity) {
  return openShippedLog({
    ...{ identity, policyAddress: peers.policy, point: 'gateway', dir, environment, logger, security },
  });
}

type Neighbour = 'policy' | 'scheduler' | 'registry';

function openChannels(host: ServiceHost, identity: ServiceIdentity): Record<Neighbour, Channel> {
  const { security } = host;
  const to = (name: Neighbour) =>
    openChannel({
      target: host.peers[name],
      authorize: authorisation(identity, name),
      secure: { security, service: name },
    });
  return { policy: to('policy'), scheduler: to('scheduler'), registry: to('registry') };
}

function neighbourChecks({ policy, scheduler, registry }: Record<Neighbour, Channel>) {
  return {
    policy: () => serving(policy),
    scheduler: () => serving(scheduler),
    registry: () => serving(registry),
  };
}

const healthDeadlineMs = 1_000;

async function serving(channel: Channel): Promise<void> {
  const { status } = await createClient(healthV1.Health, channel).check({}, { deadlineMs: healthDeadlineMs });
  if (status !== healthV1.HealthCheckResponse_ServingStatus.SERVING) {
    throw new CogmeshError('unavailable', 'it says that it is not serving');
  }
}
