/** The composition root: everything the scheduler is made of, top to bottom, and the order in which it starts and stops. */
import { consumeDead, type Bus, type Consumer, type Handler, type Queue } from '@cogmesh/bus';
import { gatewayV1, policyV1, registryV1 } from '@cogmesh/contracts';
import type { Database } from '@cogmesh/database';
import { openEnforcement, type Enforcement } from '@cogmesh/enforcement';
import type { ServiceIdentity } from '@cogmesh/identity';
import { createClient, openChannel, serveRpc, type Client, type RpcServer } from '@cogmesh/rpc';
import { FairOrder } from '@cogmesh/scheduling-core';
import type { ServiceHost } from '@cogmesh/service';
import { ulid } from 'ulid';
import { GatewayPayloads } from './adapters/gateway-payloads.js';
import { schedulerMigrations } from './adapters/migrations.js';
import { PolicyDecisions } from './adapters/policy-decisions.js';
import { SqlLimits } from './adapters/sql-limits.js';
import { RegistryClient } from './adapters/registry-client.js';
import { SqlDeadLetters } from './adapters/sql-dead-letters.js';
import { SqlRunViews } from './adapters/sql-run-views.js';
import { SqlScopes } from './adapters/sql-scopes.js';
import { SqlWorkQueue } from './adapters/sql-work-queue.js';
import { engineSettings, type SchedulerConfig } from './config.js';
import { AgentDirectory } from './engine/agent-directory.js';
import { AgentSpeeds } from './engine/agent-speeds.js';
import { AgentWatch } from './engine/agent-watch.js';
import { Claims } from './engine/claims.js';
import { Controls } from './engine/controls.js';
import { Counters } from './engine/counters.js';
import { Credits } from './engine/credits.js';
import { Deferrals } from './engine/deferrals.js';
import { Dispatcher } from './engine/dispatcher.js';
import { Engine } from './engine/engine.js';
import { InputSchemas } from './engine/input-schemas.js';
import { Intake } from './engine/intake.js';
import { Limits } from './engine/limits.js';
import { Publisher } from './engine/publisher.js';
import { QueuedTasks } from './engine/queued-tasks.js';
import { Recovery } from './engine/recovery.js';
import { RunHints, schedulerEvents } from './engine/run-hints.js';
import { RunNotifier } from './engine/run-notifier.js';
import { Scopes } from './engine/scopes.js';
import type { EngineSettings } from './engine/settings.js';
import { StopAttempts } from './engine/stop-attempts.js';
import { Targets } from './engine/targets.js';
import { Timers } from './engine/timers.js';
import { agentChangedQueue, onAgentChanged } from './events/on-agent-changed.js';
import { onResults } from './events/on-results.js';
import { ProgressWords } from './engine/progress.js';
import { onStarted } from './events/on-started.js';
import { reportConsumption, resultsQueue, startedQueue } from './events/reports.js';
import type { ReadyEntry } from './model/rows.js';
import { openPool } from './pool/open-pool.js';
import type { PoolController } from './pool/pool-controller.js';
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
  stop(): Promise<void>;
}

export async function buildScheduler(host: ServiceHost, config: SchedulerConfig): Promise<Scheduler> {
  await host.database.migrate(schedulerMigrations);
  const enforcement = await openEnforcement({ ...host, service: 'scheduler' });
  const neighbours = openNeighbours(host, enforcement.identity);
  const stores = openStores(host.database);
  const counters = new Counters();
  const engine = buildEngine({ host, config, identity: enforcement.identity, neighbours, stores });
  await engine.memory.limits.load();
  const { memory, credits } = engine;
  const pool = await openPool({ host, config, registry: neighbours.agents, ...memory, credits });
  const watching = listen({ host, neighbours, engine, counters });
  const handlers = reportHandlers({ host, engine, counters });
  const consumers = await startConsumers({ host, config, stores, engine, counters }, handlers);
  const { server, timed } = await serve({
    host,
    config,
    enforcement,
    neighbours,
    stores,
    engine,
    notifier: watching.notifier,
    handlers,
  });
  engine.agentWatch.start();
  engine.dispatcher.start();
  engine.timers.start();
  timed.start();
  pool?.start();

  const stop = async (): Promise<void> => {
    // Calls first, then claims; reports are taken until nothing new goes out.
    await server.stop();
    await pool?.stop();
    await timed.stopFiring();
    for (const loop of [engine.agentWatch, engine.timers, engine.dispatcher]) await loop.stop();
    await Promise.all([...consumers, engine.shared].map((consumer) => consumer.stop()));
    await engine.engine.lane.idle();
    engine.memory.limits.stop();
    await watching.stop();
    await timed.stopSending();
    neighbours.close();
    await enforcement.close();
  };
  const { dispatcher } = engine;
  const { directory } = engine.memory;
  return { address: server.address, enforcement, counters, dispatcher, directory, pool, stop };
}

interface Neighbours {
  readonly registry: RegistryClient;
  readonly agents: Client<typeof registryV1.RegistryService>;
  readonly payloads: GatewayPayloads;
  readonly decisions: PolicyDecisions;
  close(): void;
}

function openNeighbours({ peers }: ServiceHost, identity: ServiceIdentity): Neighbours {
  const bearer = (audience: string) => async () => `Bearer ${await identity.serviceToken(audience)}`;
  const registry = openChannel({ target: peers.registry, authorize: bearer('registry') });
  const gateway = openChannel({ target: peers.gateway, authorize: bearer('gateway') });
  const policy = openChannel({ target: peers.policy, authorize: bearer('policy') });
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
    queue: new SqlWorkQueue(database),
    sql: new SqlScopes(database),
    views: new SqlRunViews(database),
    limits: new SqlLimits(database),
    deadLetters: new SqlDeadLetters(database, () => `dead_${ulid()}`),
  };
}
type Stores = ReturnType<typeof openStores>;

/** Monotonic, milliseconds. */
const nowMs = (): number => performance.now();

interface EngineParts {
  readonly host: ServiceHost;
  readonly config: SchedulerConfig;
  readonly identity: ServiceIdentity;
  readonly neighbours: Neighbours;
  readonly stores: Stores;
}

/** What the database says of ready and held work, for decisions without a query; rebuilt by `Recovery`. */
function openMemory({ config, settings, stores, registry, onOpen }: MemoryParts) {
  const order = new FairOrder<ReadyEntry>({ ageingMs: settings.ageingMs });
  const limits = new Limits({ sql: stores.limits, order, onOpen, nowMs });
  const speeds = new AgentSpeeds(nowMs);
  const credits = new Credits(limits, speeds);
  const directory = new AgentDirectory({
    source: registry,
    staleAfterMs: config.registryStaleMs,
    missingAfterMs: config.agentMissingMs,
    nowMs,
  });
  const targets = new Targets({ ...settings, directory, credits, speeds, random: Math.random });
  const { inputCheckSteps: maxSteps, inputSchemasCached: maxCached } = config;
  const inputSchemas = new InputSchemas({ directory, maxSteps, maxCached });
  return {
    memory: { directory, inputSchemas, targets, order, limits },
    credits,
    speeds,
    queued: new QueuedTasks(nowMs),
  };
}

interface MemoryParts extends Pick<EngineParts, 'config' | 'stores'> {
  readonly settings: EngineSettings;
  readonly registry: RegistryClient;
  readonly onOpen: () => void;
}

function buildEngine({ host, config, identity, neighbours, stores }: EngineParts) {
  const { bus, database, logger } = host;
  const { queue, sql, deadLetters } = stores;
  const { registry, payloads } = neighbours;
  const settings = engineSettings(config);
  const { leaseMs, claimBatch } = settings;
  const engine = new Engine(database);
  const onUnblocked = (): void => dispatcher.wake();
  const { memory, queued, credits, speeds } = openMemory({ config, settings, stores, registry, onOpen: onUnblocked });
  const { order, limits, directory, targets } = memory;
  const scopes = new Scopes(sql, payloads);
  const shared = sharedQueues(bus, (letter) => deadLetters.store(letter));
  const declareShared = shared.declare;
  const publisher = new Publisher({ bus, minter: identity, engine, credits, logger, declareShared, onUnblocked });
  const deferrals = new Deferrals();
  const claims = new Claims({
    engine,
    scopes,
    targets,
    credits,
    publisher,
    order,
    settings,
    deferrals,
    assertTaken: memory.inputSchemas.assertTaken,
    onAgain: onUnblocked,
  });
  const later = (key: string, again: () => void): void => deferrals.defer(key, () => (again(), onUnblocked()));
  const toOrder = (entry: ReadyEntry): void => order.add(entry);
  const controls = new Controls({ engine, scopes, sql, payloads, settings, newRunId, toOrder, later }, logger);
  const busIsDurable = bus.durable;
  const recovery = new Recovery({
    engine,
    queue,
    credits,
    controls,
    claims,
    publisher,
    limits,
    queued,
    busIsDurable,
    leaseMs,
  });
  const dispatcher = new Dispatcher({
    order,
    controls,
    claims,
    targets,
    credits,
    publisher,
    recovery,
    deferrals,
    claimBatch,
    logger,
  });
  const timers = new Timers({ engine, queue, leaseMs, poisonAfter: settings.poisonAfter, logger });
  const agentWatch = new AgentWatch({ directory, credits, queue, engine, logger, onChange: onUnblocked });
  return { engine, settings, memory, credits, queued, speeds, dispatcher, timers, agentWatch, shared, publisher };
}
type BuiltEngine = ReturnType<typeof buildEngine>;

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
  const { settings, speeds } = engine;
  const { leaseMs, poisonAfter } = settings;
  const traceOf = (attemptId: string): string | undefined => engine.publisher.traceOf(attemptId);
  const intake = new Intake(engine.engine, leaseMs, { traceOf, poisonAfter });
  const reports = {
    senders: settings.resultSenders,
    logger,
    onRefused: () => (counters.refusedReports += 1),
    onIgnored: (count: number) => (counters.ignoredReports += count),
  };
  return new Map([
    [startedQueue, onStarted(intake, new ProgressWords(engine.engine), reports)],
    [resultsQueue, onResults({ results: (results) => (speeds.arrived(results), intake.results(results)) }, reports)],
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
}: Pick<ConsumerParts, 'host' | 'engine' | 'counters'> & { neighbours: Neighbours }) {
  const { dispatcher, timers, queued } = engine;
  const notifier = new RunNotifier();
  const hints = new RunHints(host.bus, host.logger);
  const stopAttempts = new StopAttempts(neighbours.registry, host.logger);
  engine.engine.onDoubt(() => dispatcher.doubt());
  engine.engine.onEffects((effects) => {
    queued.accept(effects);
    dispatcher.accept(effects);
    timers.accept(effects);
    hints.accept(effects);
    stopAttempts.accept(effects);
    counters.ignoredEvents += effects.ignored;
    for (const runId of effects.changed.keys()) notifier.notify(runId);
  });
  hints.start();
  const stop = async (): Promise<void> => {
    await hints.stop();
    await stopAttempts.settled();
  };
  return { notifier, stop };
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
  const { engine, memory, queued, settings } = built;
  const { directory, inputSchemas, limits } = memory;
  const { refuseUnknownModels, hostOrganisation } = config;
  const checks = { directory, inputSchemas, refuseUnknownModels };
  const submit = { database, engine, limits, queued, settings, newRunId, ...checks };
  const describe = describeRun({ views: stores.views, ...memory });
  const { leaseMs } = settings;
  const timed = buildTimed({ host, config, engine, decisions: neighbours.decisions, submission: submit });
  const { schedules, webhooks } = timed;
  const rpc = schedulerRpc({
    ...stores,
    database,
    engine,
    notifier,
    submit,
    describe,
    scopes: { views: stores.views, memory, queued, hostOrganisation },
    leaseMs,
    replay: { bus: host.bus, deadLetters: stores.deadLetters, handlers: byName(handlers) },
    schedules,
    webhooks,
  });
  const { authenticate } = enforcement;
  return { server: await serveRpc({ address: host.listen, services: [rpc], authenticate, logger }), timed };
}

const byName = (handlers: ReportHandlers): ReadonlyMap<string, Handler> =>
  new Map([...handlers].map(([{ name }, handler]) => [name, handler]));

type StoreLetter = Parameters<typeof consumeDead>[2];

/** Shared work queues are declared on first use, and their dead letters are ours to keep. */
function sharedQueues(bus: Bus, store: StoreLetter): Consumer & { declare(name: string): Promise<void> } {
  const declared = new Map<string, Promise<Consumer>>();
  const open = async (name: string): Promise<Consumer> => {
    const shared: Queue = { name, kind: 'durable' };
    await bus.declare({ queues: [shared] });
    return consumeDead(bus, shared, store);
  };
  return {
    async declare(name) {
      let opening = declared.get(name);
      if (!opening) declared.set(name, (opening = open(name)));
      await opening.catch((error: unknown) => {
        declared.delete(name);
        throw error;
      });
    },
    async stop() {
      for (const opening of declared.values()) await (await opening).stop();
    },
  };
}
