/** The composition root: everything the scheduler is made of, top to bottom, and the order in which it starts and stops. */
import { consumeDead, type Bus, type Consumer, type Queue } from '@cogmesh/bus';
import { gatewayV1, registryV1 } from '@cogmesh/contracts';
import { openEnforcement, type Enforcement } from '@cogmesh/enforcement';
import { createClient, openChannel, serveRpc, type RpcServer } from '@cogmesh/rpc';
import { FairOrder } from '@cogmesh/scheduling-core';
import type { ServiceHost } from '@cogmesh/service';
import { ulid } from 'ulid';
import { GatewayPayloads } from './adapters/gateway-payloads.js';
import { schedulerMigrations } from './adapters/migrations.js';
import { RegistryClient } from './adapters/registry-client.js';
import { SqlDeadLetters } from './adapters/sql-dead-letters.js';
import { SqlRunViews } from './adapters/sql-run-views.js';
import { SqlScopes } from './adapters/sql-scopes.js';
import { SqlWorkQueue } from './adapters/sql-work-queue.js';
import { engineSettings, type SchedulerConfig } from './config.js';
import { AgentDirectory } from './engine/agent-directory.js';
import { AgentWatch } from './engine/agent-watch.js';
import { Claims } from './engine/claims.js';
import { Controls } from './engine/controls.js';
import { Counters } from './engine/counters.js';
import { Credits } from './engine/credits.js';
import { Dispatcher } from './engine/dispatcher.js';
import { Engine } from './engine/engine.js';
import { Intake } from './engine/intake.js';
import { Publisher } from './engine/publisher.js';
import { Recovery } from './engine/recovery.js';
import { RunHints, schedulerEvents } from './engine/run-hints.js';
import { RunNotifier } from './engine/run-notifier.js';
import { Scopes } from './engine/scopes.js';
import { StopAttempts } from './engine/stop-attempts.js';
import { Targets } from './engine/targets.js';
import { Timers } from './engine/timers.js';
import { agentChangedQueue, onAgentChanged } from './events/on-agent-changed.js';
import { onResults } from './events/on-results.js';
import { onStarted } from './events/on-started.js';
import { reportConsumption, resultsQueue, startedQueue } from './events/reports.js';
import type { ReadyEntry } from './model/rows.js';
import { describeRun } from './rpc/describe-run.js';
import { schedulerRpc } from './rpc/scheduler.rpc.js';

export interface Scheduler {
  readonly address: string;
  readonly enforcement: Enforcement;
  readonly counters: Counters;
  readonly dispatcher: Dispatcher;
  readonly directory: AgentDirectory;
  stop(): Promise<void>;
}

export async function buildScheduler(host: ServiceHost, config: SchedulerConfig): Promise<Scheduler> {
  const { bus, database, logger } = host;
  await database.migrate(schedulerMigrations);
  const enforcement = await openEnforcement({ ...host, service: 'scheduler' });
  const { identity } = enforcement;
  const bearer = (audience: string) => async () => `Bearer ${await identity.serviceToken(audience)}`;
  const registryChannel = openChannel({ target: host.peers.registry, authorize: bearer('registry') });
  const gatewayChannel = openChannel({ target: host.peers.gateway, authorize: bearer('gateway') });
  const registry = new RegistryClient(createClient(registryV1.RegistryService, registryChannel));
  const payloads = new GatewayPayloads(createClient(gatewayV1.BlobService, gatewayChannel));

  const settings = engineSettings(config);
  const { leaseMs, claimBatch } = settings;
  const engine = new Engine(database);
  const queue = new SqlWorkQueue(database);
  const sql = new SqlScopes(database);
  const views = new SqlRunViews(database);
  const deadLetters = new SqlDeadLetters(database, () => `dead_${ulid()}`);
  const counters = new Counters();
  const credits = new Credits();
  const directory = new AgentDirectory({
    source: registry,
    staleAfterMs: config.registryStaleMs,
    missingAfterMs: config.agentMissingMs,
    nowMs: () => performance.now(),
  });
  const order = new FairOrder<ReadyEntry>({ ageingMs: settings.ageingMs });
  const targets = new Targets({ ...settings, directory, credits, random: Math.random });
  const scopes = new Scopes(sql, payloads);

  const shared = sharedQueues(bus, (letter) => deadLetters.store(letter));
  const wake = (): void => dispatcher.wake();
  const publisher = new Publisher({
    bus,
    minter: identity,
    engine,
    credits,
    logger,
    declareShared: shared.declare,
    onUnblocked: wake,
  });
  const claims = new Claims({ engine, scopes, targets, credits, publisher, order, settings });
  const toOrder = (entry: ReadyEntry): void => order.add(entry);
  const controls = new Controls({ engine, scopes, sql, payloads, settings, toOrder }, logger);
  const recovery = new Recovery({
    engine,
    queue,
    credits,
    controls,
    claims,
    publisher,
    busIsDurable: bus.durable,
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
    claimBatch,
    logger,
  });
  const timers = new Timers({ engine, queue, leaseMs, logger });
  const agentWatch = new AgentWatch({ directory, credits, queue, engine, logger, onChange: wake });
  const intake = new Intake(engine, leaseMs);
  const notifier = new RunNotifier();
  const hints = new RunHints(bus, logger);
  const stopAttempts = new StopAttempts(registry, logger);

  engine.onDoubt(() => dispatcher.doubt());
  engine.onEffects((effects) => {
    dispatcher.accept(effects);
    timers.accept(effects);
    hints.accept(effects);
    stopAttempts.accept(effects);
    counters.ignoredEvents += effects.ignored;
    for (const runId of effects.changed.keys()) notifier.notify(runId);
  });

  await bus.declare({ exchanges: [schedulerEvents], queues: [startedQueue, resultsQueue] });
  const reports = {
    senders: settings.resultSenders,
    logger,
    onRefused: () => (counters.refusedReports += 1),
    onIgnored: (count: number) => (counters.ignoredReports += count),
  };
  const consumers = await Promise.all([
    bus.consume(startedQueue, onStarted(intake, reports), reportConsumption),
    bus.consume(resultsQueue, onResults(intake, reports), reportConsumption),
    bus.consume(agentChangedQueue, onAgentChanged(agentWatch)),
    consumeDead(bus, startedQueue, (letter) => deadLetters.store(letter)),
    consumeDead(bus, resultsQueue, (letter) => deadLetters.store(letter)),
  ]);

  const submit = {
    database,
    engine,
    directory,
    settings,
    refuseUnknownModels: config.refuseUnknownModels,
    newRunId: () => `run_${ulid()}`,
  };
  const describe = describeRun({ views, directory, targets });
  const rpc = schedulerRpc({ database, engine, views, deadLetters, notifier, submit, describe, leaseMs });
  const server = await serveRpc({
    address: host.listen,
    services: [rpc],
    authenticate: enforcement.authenticate,
    logger,
  });

  agentWatch.start();
  dispatcher.start();
  timers.start();

  const stop = async (): Promise<void> => {
    await stopInOrder(server, [...consumers, shared], [agentWatch, timers, dispatcher]);
    await engine.lane.idle();
    await stopAttempts.settled();
    hints.stop();
    registryChannel.close();
    gatewayChannel.close();
    await enforcement.close();
  };
  return { address: server.address, enforcement, counters, dispatcher, directory, stop };
}

/** Calls first, then claims; reports are taken until nothing new goes out. */
async function stopInOrder(
  server: RpcServer,
  consumers: readonly Consumer[],
  loops: readonly { stop(): Promise<void> }[],
): Promise<void> {
  await server.stop();
  for (const loop of loops) await loop.stop();
  await Promise.all(consumers.map((consumer) => consumer.stop()));
}

/** Shared work queues are declared on first use, and their dead letters are ours to keep. */
function sharedQueues(
  bus: Bus,
  store: Parameters<typeof consumeDead>[2],
): Consumer & { declare(name: string): Promise<void> } {
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
