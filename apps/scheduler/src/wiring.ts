/** The composition root: everything the scheduler is made of, top to bottom, and the order in which it starts and stops. */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { consumeDead, type Consumer, type Handler, type Queue } from '@cogmesh/bus';
import { gatewayV1, policyV1, registryV1 } from '@cogmesh/contracts';
import type { Database } from '@cogmesh/database';
import { toCogmeshError } from '@cogmesh/errors';
import { openEnforcement, type Enforcement } from '@cogmesh/enforcement';
import type { ServiceIdentity } from '@cogmesh/identity';
import { createClient, openChannel, serveRpc, type Client, type RpcServer } from '@cogmesh/rpc';
import { assembleScheduling, attemptIdOf, type Dispatcher, type SchedulingOptions } from '@cogmesh/scheduling-core';
import type { ServiceHost } from '@cogmesh/service';
import { ulid } from 'ulid';
import { GatewayPayloads } from './adapters/gateway-payloads.js';
import { schedulerMigrations } from './adapters/migrations.js';
import { PolicyDecisions } from './adapters/policy-decisions.js';
import { SqlLimits } from './adapters/sql-limits.js';
import { RegistryClient } from './adapters/registry-client.js';
import { SqlDeadLetters } from './adapters/sql-dead-letters.js';
import { SqlEngineStore } from './adapters/sql-engine-store.js';
import { SqlRunViews } from './adapters/sql-run-views.js';
import { StoreClock } from './adapters/store-clock.js';
import { engineSettings, type SchedulerConfig } from './config.js';
import { AgentDirectory } from './engine/agent-directory.js';
import { AgentSpeeds } from './engine/agent-speeds.js';
import { AgentWatch } from './engine/agent-watch.js';
import { Backoff } from './engine/backoff.js';
import { Counters } from './engine/counters.js';
import { InputSchemas } from './engine/input-schemas.js';
import { onMended } from './engine/on-mended.js';
import { BrokerPublisher } from './engine/publisher.js';
import { RunHints, schedulerEvents } from './engine/run-hints.js';
import { RunNotifier } from './engine/run-notifier.js';
import { StopAttempts } from './engine/stop-attempts.js';
import { sharedQueues } from './engine/shared-queues.js';
import { AgentTargets, type AgentTargetsOptions } from './engine/targets.js';
import { agentChangedQueue, onAgentChanged } from './events/on-agent-changed.js';
import { onResults } from './events/on-results.js';
import { onStarted } from './events/on-started.js';
import { reportConsumption, resultsQueue, startedQueue } from './events/reports.js';
import { openPool } from './pool/open-pool.js';
import type { PoolController } from './pool/pool-controller.js';
import { openReplicas } from './replicas/open-replicas.js';
import type { Replicas } from './replicas/replicas.js';
import { describeRun } from './rpc/describe-run.js';
import { schedulerRpc } from './rpc/scheduler.rpc.js';
import { buildTimed, type Timed } from './timed-wiring.js';

export interface Scheduler {
  readonly address: string;
  readonly enforcement: Enforcement;
  readonly counters: Counters;
  readonly dispatcher: Dispatcher;
  readonly directory: AgentDirectory;
  readonly pool: PoolController | undefined;
  readonly replicas: Replicas;
  stop(): Promise<void>;
}

export async function buildScheduler(host: ServiceHost, config: SchedulerConfig): Promise<Scheduler> {
  await host.database.migrate(schedulerMigrations);
  const enforcement = await openEnforcement({ ...host, service: 'scheduler' });
  const neighbours = openNeighbours(host, enforcement.identity);
  const stores = openStores(host.database);
  const counters = new Counters();
  const notifier = new RunNotifier();
  const engine = buildEngine({ host, config, identity: enforcement.identity, neighbours, stores, notifier, counters });
  const { replicas } = engine;
  await engine.clock.start();
  const pool = await openPool({ host, config, registry: neighbours.agents, ...engine });
  const watching = listen({ host, neighbours, engine, counters, notifier });
  const handlers = reportHandlers({ host, engine, counters });
  await replicas.start();
  const consumers = await startConsumers({ host, config, stores, engine, counters }, handlers);
  const { server, timed } = await serve({
    host,
    config,
    enforcement,
    neighbours,
    stores,
    engine,
    notifier,
    handlers,
  });
  engine.agentWatch.start();
  timed.start();
  pool?.start();

  const stop = async (): Promise<void> => {
    // Calls first, then claims; reports are taken until nothing new goes out. Long calls do not keep others from the shards.
    const served = server.stop();
    await Promise.race([served, delay(shortCallsMs)]);
    await pool?.stop();
    await timed.stopFiring();
    await engine.agentWatch.stop();
    await engine.stop();
    await engine.publisher.stop();
    await Promise.all([...consumers, engine.shared].map((consumer) => consumer.stop()));
    await replicas.stop();
    await served;
    engine.limits.stop();
    await watching.stop();
    await timed.stopSending();
    engine.clock.stop();
    neighbours.close();
    await enforcement.close();
  };
  const { dispatcher, directory } = engine;
  return { address: server.address, enforcement, counters, dispatcher, directory, pool, replicas, stop };
}

interface Neighbours {
  readonly registry: RegistryClient;
  readonly agents: Client<typeof registryV1.RegistryService>;
  readonly payloads: GatewayPayloads;
  readonly decisions: PolicyDecisions;
  close(): void;
}

function openNeighbours({ peers, security }: ServiceHost, identity: ServiceIdentity): Neighbours {
  const bearer = (audience: string) => async () => `Bearer ${await identity.serviceToken(audience)}`;
  const to = (service: 'registry' | 'gateway' | 'policy') =>
    openChannel({ target: peers[service], authorize: bearer(service), secure: { security, service } });
  const [registry, gateway, policy] = [to('registry'), to('gateway'), to('policy')];
  const agents = createClient(registryV1.RegistryService, registry);
  return {
    registry: new RegistryClient(agents),
    agents,
    payloads: new GatewayPayloads(createClient(gatewayV1.BlobService, gateway)),
    decisions: new PolicyDecisions(createClient(policyV1.PolicyService, policy)),
    close: () => [registry, gateway, policy].forEach((channel) => channel.close()),
  };
}

const newRunId = (): string => `run_${ulid()}`;

function openStores(database: Database) {
  return {
    engine: new SqlEngineStore(database),
    views: new SqlRunViews(database),
    limits: new SqlLimits(database),
    deadLetters: new SqlDeadLetters(database, () => `dead_${ulid()}`),
  };
}
type Stores = ReturnType<typeof openStores>;

/** How long a stop waits for calls before it goes on beside them, milliseconds. */
const shortCallsMs = 500;

/** Monotonic, milliseconds. */
const nowMs = (): number => performance.now();

interface EngineParts {
  readonly host: ServiceHost;
  readonly config: SchedulerConfig;
  readonly identity: ServiceIdentity;
  readonly neighbours: Neighbours;
  readonly stores: Stores;
  readonly notifier: RunNotifier;
  readonly counters: Counters;
}

/** Who can take work, as far as this process has heard and seen. */
function openAgents({ config, neighbours }: Pick<EngineParts, 'config' | 'neighbours'>, clock: StoreClock) {
  const directory = new AgentDirectory({
    source: neighbours.registry,
    staleAfterMs: config.registryStaleMs,
    missingAfterMs: config.agentMissingMs,
    nowMs,
  });
  const { inputCheckSteps: maxSteps, inputSchemasCached: maxCached } = config;
  const inputSchemas = new InputSchemas({ directory, clock, maxSteps, maxCached });
  return { directory, inputSchemas, speeds: new AgentSpeeds(nowMs) };
}

const attemptBytes = 16;
const newAttemptId = (shard: number): string => attemptIdOf(shard, randomBytes(attemptBytes).toString('hex'));

/** Everything decides from memory that is read from the database first; nothing happens until then. */
function buildEngine(parts: EngineParts) {
  const { host, config, identity, neighbours, stores } = parts;
  const { bus, database, logger } = host;
  const settings = engineSettings(config);
  const clock = new StoreClock(database, logger);
  const agents = openAgents(parts, clock);
  const { directory, speeds, inputSchemas } = agents;
  const shared = sharedQueues(bus, (letter) => stores.deadLetters.store(letter));
  let publisher: BrokerPublisher | undefined;
  const onTrouble: SchedulingOptions['onTrouble'] = (thrown, what) => {
    const error = toCogmeshError(thrown);
    logger.warn({ code: error.code, err: error }, `${what} has to wait: ${error.message}`);
  };
  const scheduling = assembleScheduling({
    settings,
    store: stores.engine,
    limitStore: stores.limits,
    payloads: neighbours.payloads,
    clock,
    random: Math.random,
    newRunId,
    newAttemptId,
    targets: (credits) => openTargets({ ...settings, directory, credits, speeds }, () => replicas.slices),
    publisher: (engine, onUnblocked) =>
      (publisher = new BrokerPublisher({
        bus,
        minter: identity,
        engine,
        logger,
        declareShared: shared.declare,
        onUnblocked,
      })),
    busIsDurable: bus.durable,
    owned: () => replicas.keeper.owned(),
    backoff: new Backoff(),
    attemptClock: speeds,
    assertTaken: inputSchemas.assertTaken,
    traceOf: (attemptId) => publisher?.traceOf(attemptId),
    onTrouble,
    onMended: onMended(parts.counters, logger),
  });
  const { engine, credits, dispatcher } = scheduling;
  const agentWatch = new AgentWatch({ directory, credits, engine, logger, onChange: () => dispatcher.wake() });
  const replicas: Replicas = openReplicas({
    ...parts,
    ...parts.stores,
    limitStore: stores.limits,
    ...agents,
    scheduling,
  });
  return { ...scheduling, ...agents, publisher: built(publisher), replicas, settings, clock, agentWatch, shared };
}
type BuiltEngine = ReturnType<typeof buildEngine>;

function openTargets(
  parts: Omit<AgentTargetsOptions, 'creditsOf' | 'queuedOf' | 'random'>,
  slices: () => Replicas['slices'],
): AgentTargets {
  const creditsOf: AgentTargetsOptions['creditsOf'] = (...asked) => slices().credits(...asked);
  const queuedOf: AgentTargetsOptions['queuedOf'] = (...asked) => slices().queued(...asked);
  return new AgentTargets({ ...parts, creditsOf, queuedOf, random: Math.random });
}

/** Parts that need each other are built one after the other, and used when all are there. */
function built<Part>(part: Part | undefined): Part {
  if (part === undefined) throw new Error('a part of the scheduler was used before it was built');
  return part;
}

interface ConsumerParts {
  readonly host: ServiceHost;
  readonly config: SchedulerConfig;
  readonly stores: Stores;
  readonly engine: BuiltEngine;
  readonly counters: Counters;
}

type ReportHandlers = ReadonlyMap<Queue, Handler>;

function reportHandlers({
  host,
  engine,
  counters,
}: Pick<ConsumerParts, 'host' | 'engine' | 'counters'>): ReportHandlers {
  const { logger } = host;
  const { settings, replicas } = engine;
  const { desk } = replicas;
  const reports = {
    senders: settings.resultSenders,
    logger,
    onRefused: () => (counters.refusedReports += 1),
    onIgnored: (count: number) => (counters.ignoredReports += count),
  };
  return new Map([
    [startedQueue, onStarted({ ...reports, desk })],
    [resultsQueue, onResults({ ...reports, desk })],
  ]);
}

async function startConsumers({ host, stores, engine }: ConsumerParts, handlers: ReportHandlers): Promise<Consumer[]> {
  const { bus } = host;
  const store: StoreLetter = (letter) => stores.deadLetters.store(letter);
  const queues = [...handlers.keys()];
  await bus.declare({ exchanges: [schedulerEvents], queues });
  return Promise.all([
    ...[...handlers].map(([queue, handler]) => bus.consume(queue, handler, reportConsumption)),
    bus.consume(agentChangedQueue, onAgentChanged(engine.agentWatch)),
    ...queues.map((queue) => consumeDead(bus, queue, store)),
  ]);
}

/** Who hears of committed changes. */
function listen({
  host,
  neighbours,
  engine,
  counters,
  notifier,
}: Pick<ConsumerParts, 'host' | 'engine' | 'counters'> & { neighbours: Neighbours; notifier: RunNotifier }) {
  const hints = new RunHints(host.bus, host.logger);
  const stopAttempts = new StopAttempts(neighbours.registry, host.logger);
  engine.engine.listen({
    decided: ({ ignored }) => (counters.ignoredEvents += ignored),
    stored: (all) => {
      for (const effects of all) {
        hints.accept(effects);
        stopAttempts.accept(effects);
        for (const runId of effects.changed.keys()) notifier.notify(runId);
      }
    },
  });
  hints.start();
  const stop = async (): Promise<void> => {
    await hints.stop();
    await stopAttempts.settled();
  };
  return { stop };
}

interface ServeParts {
  readonly host: ServiceHost;
  readonly config: SchedulerConfig;
  readonly enforcement: Enforcement;
  readonly neighbours: Neighbours;
  readonly stores: Stores;
  readonly engine: BuiltEngine;
  readonly notifier: RunNotifier;
  readonly handlers: ReportHandlers;
}

async function serve(parts: ServeParts): Promise<{ server: RpcServer; timed: Timed }> {
  const { host, config, enforcement, neighbours, stores, engine: built, notifier, handlers } = parts;
  const { database, logger } = host;
  const { engine, directory, inputSchemas, targets, order, heads, limits, queued, settings, replicas } = built;
  const memory = { directory, targets, order, heads, limits };
  const { refuseUnknownModels, hostOrganisation } = config;
  const { commands, placement } = replicas;
  const submit = {
    database,
    engine,
    directory,
    limits,
    queued,
    settings,
    refuseUnknownModels,
    inputSchemas,
    newRunId,
    placement,
    commands,
  };
  const describe = describeRun({ views: stores.views, ...memory });
  const cancel = (runId: string, reason: string): Promise<void> => replicas.cancel(runId, reason);
  const timed = buildTimed({ host, config, engine, decisions: neighbours.decisions, submission: submit, cancel });
  const { schedules, webhooks } = timed;
  const rpc = schedulerRpc({
    views: stores.views,
    deadLetters: stores.deadLetters,
    commands,
    renewLeases: (attemptIds) => replicas.renewLeases(attemptIds),
    notifier,
    submit,
    describe,
    scopes: {
      limits,
      hostOrganisation,
      usage: (scopes) => replicas.usage(scopes),
      explain: (...asked) => replicas.explain(...asked),
      onPut: () => replicas.scopePut(),
    },
    replay: { bus: host.bus, deadLetters: stores.deadLetters, handlers: byName(handlers) },
    schedules,
    webhooks,
  });
  const { authenticate } = enforcement;
  return {
    server: await serveRpc({ address: host.listen, services: [rpc], authenticate, logger, security: host.security }),
    timed,
  };
}

const byName = (handlers: ReportHandlers): ReadonlyMap<string, Handler> =>
  new Map([...handlers].map(([{ name }, handler]) => [name, handler]));

type StoreLetter = Parameters<typeof consumeDead>[2];
