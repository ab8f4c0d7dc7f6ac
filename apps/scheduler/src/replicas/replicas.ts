/**
 * One scheduler among others of the same database: its lease and shards, its slices of what is global, and the way to the
 * owners of the shards it does not have. Alone it owns everything and asks nobody. Part of the composition root.
 */
import type { Bus } from '@cogmesh/bus';
import type { Database } from '@cogmesh/database';
import { CogmeshError } from '@cogmesh/errors';
import {
  scopeNameOf,
  shardOfAttempt,
  type Scheduling,
  type ScopeName,
  type TaskRef,
  type Waiting,
} from '@cogmesh/scheduling-core';
import type { Logger } from '@cogmesh/telemetry';
import { ulid } from 'ulid';
import type { SqlLimits } from '../adapters/sql-limits.js';
import type { SqlRunViews } from '../adapters/sql-run-views.js';
import type { AgentDirectory } from '../engine/agent-directory.js';
import { explainWaiting, usageOf, type ScopeUsage } from '../engine/explain-waiting.js';
import type { RunNotifier } from '../engine/run-notifier.js';
import { CommandLoop } from './command-loop.js';
import { CommandRouter } from './command-router.js';
import { Placement } from './placement.js';
import { ReplicaHints } from './replica-hints.js';
import { ReportDesk, type ReportDeskOptions } from './report-desk.js';
import { ReportRouting } from './report-routing.js';
import { ScopesWatch } from './scopes-watch.js';
import { renewed, schedulerCommands, type SchedulerCommands } from './scheduler-commands.js';
import { ShardKeeper } from './shard-keeper.js';
import { SliceBook } from './slice-book.js';
import { sliceDemand } from './slice-demand.js';
import { inUse } from './slice-keys.js';
import { SqlCommands } from './sql-commands.js';
import { SqlReplicas, type ReplicaName } from './sql-replicas.js';
import { SqlSlices } from './sql-slices.js';
import { WatchedRuns } from './watched-runs.js';

export interface ReplicaOptions {
  readonly name: ReplicaName;
  readonly shards: number;
  readonly leaseMs: number;
  readonly database: Database;
  readonly bus: Bus;
  readonly logger: Logger;
  readonly scheduling: Scheduling;
  readonly directory: AgentDirectory;
  readonly views: SqlRunViews;
  readonly limitStore: SqlLimits;
  readonly notifier: RunNotifier;
  readonly reports: Pick<ReportDeskOptions, 'words' | 'onArrived'>;
  /** This process must end: another one runs as the same replica. */
  readonly onLost: (error: CogmeshError) => void;
}

/** How long the owners of other shards are waited for that only add to an answer, milliseconds. */
const addsWithinMs = 1_500;
/** The same for leases, which agents renew every other second. */
const renewsWithinMs = 4_000;

export class Replicas {
  readonly keeper: ShardKeeper;
  readonly slices: SliceBook;
  readonly placement: Placement;
  readonly commands: CommandRouter<SchedulerCommands>;
  readonly desk: ReportDesk;
  readonly #options: ReplicaOptions;
  readonly #loop: CommandLoop<SchedulerCommands>;
  readonly #hints: ReplicaHints;
  readonly #scopes: ScopesWatch;
  readonly #watched: WatchedRuns;

  constructor(options: ReplicaOptions) {
    const { bus, logger, name, limitStore, notifier } = options;
    this.#options = options;
    this.#hints = new ReplicaHints(bus, logger, name.id);
    this.#watched = new WatchedRuns(bus, notifier, logger);
    this.placement = this.#openPlacement();
    this.slices = this.#openSlices();
    this.keeper = this.#openKeeper();
    this.#scopes = new ScopesWatch({ store: limitStore, onChanged: () => this.#loadScopes() });
    this.desk = this.#openDesk();
    ({ router: this.commands, loop: this.#loop } = this.#openCommands());
    options.scheduling.engine.listen({ restored: () => this.#restored() });
  }

  /** Rejects with `invalid_config` when the database was made with another number of shards. */
  async start(): Promise<void> {
    await this.#hints.start({
      onShards: () => this.keeper.wake(),
      onWaiting: (shards) => this.#loop.wake(shards),
      onAnswered: (ids) => this.commands.answered(ids),
      onScopes: () => void this.#scopes.look(),
      onSlices: () => this.slices.wake(),
    });
    await this.keeper.start();
    this.slices.start();
    this.#loop.start();
  }

  /** Everything is stored and handed over. */
  async stop(): Promise<void> {
    await this.#loop.stop();
    await this.slices.stop();
    await this.keeper.stop();
    await this.#watched.stop();
    await this.#hints.stop();
  }

  /** A scope was stored: others are to read it. */
  scopePut(): void {
    this.#applySlices();
    this.#hints.scopesChanged();
  }

  /** Extends leases; answers attempts that nobody wants any more, as far as their owners answer in time. */
  async renewLeases(attemptIds: readonly string[]): Promise<string[]> {
    const { engine } = this.#options.scheduling;
    const byShard = Map.groupBy(attemptIds, (id) => {
      const shard = shardOfAttempt(id);
      return shard === undefined || engine.owns(shard) ? undefined : shard;
    });
    const here = byShard.get(undefined) ?? [];
    byShard.delete(undefined);
    const elsewhere = [...byShard].map(([shard, ids]) =>
      this.commands.route(shard ?? 0, 'renew', { attemptIds: ids }, { withinMs: renewsWithinMs }).catch(() => []),
    );
    const unknown = await renewed(engine, here, this.#options.leaseMs).catch((): string[] => []);
    return [...unknown.filter((id) => this.#isOurs(id)), ...(await Promise.all(elsewhere)).flat()];
  }

  /** One of before there were shards may be anybody's. */
  #isOurs(attemptId: string): boolean {
    return !this.keeper.hasCompany || shardOfAttempt(attemptId) !== undefined;
  }

  /** Ends a run, whoever decides for it; nothing happens to one that is not there. */
  async cancel(runId: string, reason: string): Promise<void> {
    const shard = (await this.#options.views.shardsOf([runId])).get(runId);
    if (shard !== undefined) await this.commands.route(shard, 'cancel', { runId, reason });
  }

  /** Why a task waits, told by the owner of its run. */
  async explain(ref: TaskRef, organisation: string): Promise<Waiting | undefined> {
    const { scheduling, views } = this.#options;
    const resident = scheduling.engine.residents.get(ref.runId);
    if (resident && scheduling.engine.owns(resident.row.shard)) return this.#explainHere(ref, organisation);
    const run = await views.run(ref.runId, organisation);
    if (!run) throw new CogmeshError('not_found', `there is no run ${ref.runId}`);
    return (await this.commands.route(run.shard, 'explain', { ref, organisation })) ?? undefined;
  }

  /** Of all replicas that answer soon. */
  async usage(scopes: readonly ScopeName[]): Promise<ScopeUsage[]> {
    const others = [...this.#shardsOfOthers()].map((shard) =>
      this.commands.route(shard, 'usage', { scopes }, { withinMs: addsWithinMs }).catch(() => []),
    );
    const told = [scopes.map((scope) => this.#usageHere(scope)), ...(await Promise.all(others))];
    return scopes.map((_, index) => sumOf(told.flatMap((of) => of[index] ?? [])));
  }

  /** One shard of each other replica that has any. */
  #shardsOfOthers(): Iterable<number> {
    const { name } = this.#options;
    const shards = new Map<string, number>();
    for (const { owner, shard } of this.keeper.view?.shards ?? []) {
      if (owner !== null && owner !== name.id) shards.set(owner, shard);
    }
    return shards.values();
  }

  #explainHere(ref: TaskRef, organisation: string): Promise<Waiting | undefined> {
    const { scheduling, views, directory } = this.#options;
    const { engine, targets, order, heads, limits } = scheduling;
    return explainWaiting({ views, engine, memory: { directory, targets, order, heads, limits } }, ref, organisation);
  }

  #usageHere(scope: ScopeName): ScopeUsage {
    const { heads, limits, queued } = this.#options.scheduling;
    return usageOf({ memory: { heads, limits }, queued }, scope);
  }

  #openPlacement(): Placement {
    const { shards, scheduling } = this.#options;
    const { engine, limits } = scheduling;
    const partsOf = (organisation: string): number =>
      limits.find({ kind: 'organisation', organisation, name: organisation })?.limits.parts ?? 0;
    return new Placement({ shards, partsOf, owns: (shard) => engine.owns(shard) });
  }

  #openSlices(): SliceBook {
    const { database, name, logger, scheduling, directory } = this.#options;
    const { engine, limits, credits, heads } = scheduling;
    const share = (organisation: string): number => this.placement.share(organisation);
    return new SliceBook({
      table: new SqlSlices(database),
      name,
      isSpread: (scope) => this.placement.isSpread(scope),
      demand: () => sliceDemand({ heads, limits, directory, share }),
      inUse: (key) => inUse(key, { inFlight: (scope) => limits.inFlight(scopeNameOf(scope)), credits }),
      view: () => this.keeper.view,
      stored: () => engine.stored(),
      onChange: () => this.#applySlices(),
      onFreed: () => this.#hints.slicesChanged(),
      logger,
    });
  }

  #openKeeper(): ShardKeeper {
    const { database, name, shards, logger, scheduling, onLost } = this.#options;
    const { engine, keeper: memory } = scheduling;
    return new ShardKeeper({
      table: new SqlReplicas(database),
      memory: {
        get owned() {
          return engine.owned;
        },
        get isOpen() {
          return engine.isOpen;
        },
        read: () => memory.read(),
        close: () => engine.close(),
        doubt: (error) => engine.doubt(error),
      },
      name,
      shards,
      place: (organisation) => this.placement.shardOf(organisation, ''),
      logger,
      onShardsChanged: () => this.#hints.shardsChanged(),
      handOver: { begin: () => this.slices.beginHandOver(), end: () => this.slices.endHandOver() },
      onRunOut: () => this.slices.drop(),
      onLook: () => this.#looked(),
      onLost,
    });
  }

  #openDesk(): ReportDesk {
    const { scheduling, reports, shards, views } = this.#options;
    const { engine, intake } = scheduling;
    const shardsOfRuns = (runIds: readonly string[]) => views.shardsOf(runIds);
    const routing = new ReportRouting({ owned: () => engine.owned, shards, shardsOfRuns });
    return new ReportDesk({ ...reports, engine, intake, routing, commands: () => this.commands });
  }

  #openCommands() {
    const { database, logger, scheduling, leaseMs } = this.#options;
    const { engine } = scheduling;
    const table = new SqlCommands(database);
    const handlers = schedulerCommands({
      engine,
      leaseMs,
      explain: (ref, organisation) => this.#explainHere(ref, organisation),
      usageOf: (scope) => this.#usageHere(scope),
      onStarted: (batch) => this.desk.startedHere(batch),
      onResults: ({ results }) => this.desk.resultsHere(results),
    });
    const router = new CommandRouter<SchedulerCommands>({
      table,
      handlers,
      owns: (shard) => engine.owns(shard),
      newId: () => `command_${ulid()}`,
      onWaiting: (shards) => this.#hints.waiting(shards),
    });
    const loop = new CommandLoop<SchedulerCommands>({
      table,
      handlers,
      owned: () => [...engine.owned.keys()],
      onAnswered: (done) => {
        router.settle(done);
        this.#hints.answered(done.map(({ id }) => id));
      },
      logger,
    });
    return { router, loop };
  }

  /** The part of a split organisation depends on the shards, and commands may wait for them. */
  #restored(): void {
    this.#applySlices();
    this.#loop.look();
  }

  /** Before memory is read for what this look changed. */
  async #looked(): Promise<void> {
    const { hasCompany } = this.keeper;
    if (this.slices.isWhole === hasCompany) await this.slices.tick();
    await this.#watched.follow(hasCompany);
    if (hasCompany) await this.#scopes.look();
  }

  async #loadScopes(): Promise<void> {
    await this.#options.scheduling.limits.load();
    this.#applySlices();
  }

  #applySlices(): void {
    const { limits, dispatcher } = this.#options.scheduling;
    const { slices, placement } = this;
    limits.setSlices({
      inFlight: (scope, whole) => slices.inFlight(scope, whole),
      rate: (scope, whole) => slices.rate(scope, whole),
      credits: (agentId, capability, whole) => slices.credits(agentId, capability, whole),
      share: (organisation) => placement.share(organisation),
    });
    dispatcher.wake();
  }
}

function sumOf(usages: readonly ScopeUsage[]): ScopeUsage {
  return usages.reduce(
    (sum, { inFlight, queued }) => ({ inFlight: sum.inFlight + inFlight, queued: sum.queued + queued }),
    { inFlight: 0, queued: 0 },
  );
}
