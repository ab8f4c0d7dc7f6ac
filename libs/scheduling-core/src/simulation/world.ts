/**
 * The world of one seed: a store, a broker, a registry, schedulers, agents and callers, each as unreliable as the seed wants
 * it. Everything that is stored passes a watch.
 */
import type { StoredScope } from '../engine/dispatch-ports.js';
import type { Flush } from '../engine/ports.js';
import type { TaskRow } from '../engine/rows.js';
import type { SchedulingSettings } from '../engine/scheduling.js';
import { scopeKey, scopesOf, type ScopeName } from '../scope-keys.js';
import { Clients, type Order } from './clients.js';
import { CommitWatch, WatchMemory } from './commit-watch.js';
import { Crew } from './crew.js';
import { Faults } from './faults.js';
import { MemoryStore } from './memory-store.js';
import { resultsQueueOf, startedQueueOf, type SimulatedMessage, type SimulatedWork } from './messages.js';
import type { Mutant } from './mutants.js';
import { Observations } from './observations.js';
import { Placement } from './placement.js';
import type { SimulatedProcess } from './process.js';
import { Replica } from './replica.js';
import { ShardSlices } from './shard-slices.js';
import { SeededRandom } from './seeded-random.js';
import { ShardTable } from './shard-table.js';
import type { SimulatedAgent } from './simulated-agent.js';
import { SimulatedBus } from './simulated-bus.js';
import { SimulatedRegistry } from './simulated-registry.js';
import { StoredState } from './stored-state.js';
import { Trace } from './trace.js';
import { Violations } from './violations.js';
import { VirtualClock } from './virtual-clock.js';

/** Any time will do. */
export const startMs = 1_800_000_000_000;
const ageingMs = 30_000;

export interface WorldOptions {
  readonly seed: number;
  readonly shards: number;
  readonly orders: readonly Order[];
  readonly scopes: readonly StoredScope[];
  readonly mutant: Mutant | undefined;
  /** Capabilities that are dealt out by the broker. */
  readonly shared: readonly string[];
  readonly headSize: number;
}

export class World {
  readonly options: WorldOptions;
  readonly random: SeededRandom;
  readonly clock: VirtualClock;
  readonly state = new StoredState();
  readonly observed: Observations;
  readonly violations: Violations;
  readonly trace: Trace;
  readonly faults: Faults;
  readonly table: ShardTable;
  readonly bus: SimulatedBus<SimulatedMessage>;
  readonly registry: SimulatedRegistry;
  readonly crew: Crew;
  readonly clients: Clients;
  readonly watched = new WatchMemory();
  readonly placement: Placement;
  readonly #limits: ReadonlyMap<string, number>;
  readonly #shared: ReadonlyMap<string, string>;
  #scopes: readonly StoredScope[];

  constructor(options: WorldOptions) {
    this.options = options;
    const random = new SeededRandom(options.seed);
    this.random = random;
    this.clock = new VirtualClock(startMs, random.fork());
    const since = (): number => this.clock.now() - startMs;
    this.trace = new Trace(since);
    this.violations = new Violations(since);
    this.observed = new Observations(this.clock.now);
    this.faults = new Faults(random.fork());
    this.table = new ShardTable(this.state, options.shards);
    this.#limits = new Map(options.scopes.map((scope) => [scopeKey(scope), scope.limits.maxInFlight]));
    this.#scopes = options.scopes;
    this.#shared = new Map(options.shared.map((name) => [name, `shared.${name}`]));
    this.bus = this.#makeBus();
    this.registry = this.#makeRegistry();
    this.crew = this.#makeCrew();
    this.clients = this.#makeClients();
    this.placement = this.#makePlacement();
  }

  readonly note = (line: string): void => this.trace.note(line);

  /** Stored at once; schedulers hear of it when they look. */
  pause(scope: ScopeName, paused: boolean): void {
    const key = scopeKey(scope);
    this.#scopes = this.#scopes.map((each) => (scopeKey(each) === key ? { ...each, paused } : each));
  }

  replicaOf(shard: number): Replica | undefined {
    const owner = this.table.ownerOf(shard);
    return this.crew.replicas.find((replica) => replica.isServing && replica.name === owner);
  }

  #makeBus(): SimulatedBus<SimulatedMessage> {
    const { clock, faults } = this;
    const onAcknowledged = (_queue: string, message: SimulatedMessage): void => this.#acknowledged(message);
    const bus = new SimulatedBus<SimulatedMessage>({
      clock,
      faults: faults.bus,
      random: this.random.fork(),
      onAcknowledged,
    });
    for (const queue of this.#shared.values()) bus.declare(queue);
    for (const shard of this.table.shards) for (const name of [startedQueueOf(shard), resultsQueueOf(shard)]) bus.declare(name); // prettier-ignore
    return bus;
  }

  /** A result is done with: what it says is stored, or says nothing to what is stored. */
  #acknowledged(message: SimulatedMessage): void {
    if (message.kind !== 'results') return;
    for (const { attemptId, outcome } of message.reports) {
      const started = this.observed.starts.get(attemptId);
      const task = started && this.state.task(started);
      const isHeld = task !== undefined && task.attemptId === attemptId && heldStates.includes(task.state);
      // One that is handed back although it runs says nothing.
      const isIdle = outcome.case === 'returned' && task?.state === 'RUNNING';
      this.violations.require(!isHeld || isIdle, 'acknowledged after stored', () => {
        return `the result of ${attemptId} was acknowledged, ${task?.runId}/${task?.taskId} is ${task?.state}`;
      });
    }
  }

  #makeRegistry(): SimulatedRegistry {
    const { clock, faults, random } = this;
    const renew = (held: readonly SimulatedWork[]): string[] => this.#renew(held);
    return new SimulatedRegistry({ clock, random: random.fork(), isCutOff: faults.isCutOff, renew });
  }

  /** Asks the owner of each shard; what nobody answers for is wanted. */
  #renew(held: readonly SimulatedWork[]): string[] {
    return this.table.shards.flatMap((shard) => {
      const attempts = held.filter((work) => work.shard === shard).map(({ attemptId }) => attemptId);
      const replica = attempts.length > 0 ? this.replicaOf(shard) : undefined;
      return replica?.owns(shard) ? replica.renew(attempts) : [];
    });
  }

  #makeCrew(): Crew {
    const { clock, faults, random, bus, registry, observed, note } = this;
    const parts = { clock, faults, bus, registry, observed, note, shared: this.#shared };
    const newReplica = (process: SimulatedProcess): Replica => this.#newReplica(process);
    const size = { replicas: random.between(2, 3), agents: random.between(4, 6) };
    return new Crew({ ...parts, random: random.fork(), newReplica, fewestCredits: this.options.shards }, size);
  }

  #newReplica(process: SimulatedProcess): Replica {
    const { faults, random, table, bus, registry, note, clock } = this;
    const store = this.#storeFor(process);
    let known = registry.portraits();
    const reach = async <T>(ask: () => T): Promise<T> => {
      await clock.sleep(faults.delayMs());
      faults.requireStore();
      return process.hear(Promise.resolve(ask()), faults.delayMs);
    };
    const replica = new Replica({
      process, table, bus, store, reach, note, random: random.fork(), shared: this.#shared, portraits: () => known,
      limitStore: { all: () => reach(() => [...this.#scopes]), save: () => Promise.resolve() },
      submitTo: (born, epoch) => store.submitAs(born, epoch),
      asked: (shards) => reach(() => this.state.askedOf(shards)),
      stop: (agentId, attemptId) => registry.stop(agentId, attemptId),
      observed: this.observed, mutant: this.options.mutant,
      onMended: ({ kind, says }) => this.violations.add('never stuck', `a sweeper had to mend a ${kind}: ${says}`),
      settings: settingsFor(this.options, random),
    }); // prettier-ignore
    const look = (): void => {
      process.clock.after(random.between(200, 900), look);
      if (faults.is('registry stale')) return;
      known = registry.portraits();
      replica.lookAtAgents((id) => registry.isGone(id));
    };
    process.clock.soon(look);
    return replica;
  }

  #storeFor(process: SimulatedProcess): MemoryStore {
    const { faults, clock, violations, watched, note } = this;
    const watch = new CommitWatch(
      {
        violations,
        limitsOf: (task, shards) => this.#limitsOf(task, shards),
        isOwner: (shard) => [process.name, undefined].includes(this.table.ownerOf(shard)),
      },
      watched,
    );
    return new MemoryStore(this.state, {
      wait: () => clock.sleep(faults.delayMs()),
      fault: faults.storeFault,
      hear: (answer) => process.hear(answer, faults.delayMs),
      onFlush: (flush, state) => watch.before(flush, state),
      onStored: (flush, state) => {
        watch.after(flush, state);
        note(lineOf(process.name, flush));
      },
    });
  }

  #limitsOf(task: TaskRow, shards: readonly number[]): { readonly scope: string; readonly most: number }[] {
    const { organisation, uses, concurrencyGroup, agentId, queue, capability } = task;
    const slices = new ShardSlices(this.options.shards, () => shards);
    const scoped = { organisation, group: uses, ...(concurrencyGroup === null ? {} : { concurrencyGroup }) };
    const limits = scopesOf(scoped).flatMap((scope) => {
      const most = this.#limits.get(scope) ?? 0;
      return most > 0 ? [{ scope, most: slices.inFlight(scope, most) }] : [];
    });
    const agent = queue === null ? this.crew.agent(agentId ?? '') : undefined;
    const credits = agent?.options.credits.get(capability ?? '');
    if (!agent || credits === undefined) return limits;
    return [
      ...limits,
      { scope: `${agent.id} ${capability}`, most: slices.credits(agent.id, capability ?? '', credits) },
    ];
  }

  #makePlacement(): Placement {
    const { state, violations, clock, faults } = this;
    const replicaOf = (shard: number): Replica | undefined => this.replicaOf(shard);
    const isStoreUp = (): boolean => !faults.is('store down') && !faults.is('store shaky');
    const agents = (): Iterable<SimulatedAgent> => this.crew.agents;
    const isConfirmed = (runId: string): boolean => this.clients.isConfirmed(runId) && !state.asked.has(runId);
    return new Placement({
      state,
      shards: this.table.shards,
      violations,
      now: clock.now,
      replicaOf,
      isConfirmed,
      isStoreUp,
      agents,
      isCutOff: faults.isCutOff,
    });
  }

  #makeClients(): Clients {
    const { clock, state, observed, violations, note, random } = this;
    const replicaOf = (shard: number): Replica | undefined => this.replicaOf(shard);
    const anyReplica = (): Replica | undefined => {
      const serving = this.crew.replicas.filter(({ isServing }) => isServing);
      return serving.length > 0 ? random.pick(serving) : undefined;
    };
    const parts = { clock, state, observed, violations, note, ageingMs, replicaOf, anyReplica };
    return new Clients({ ...parts, random: random.fork() }, this.options.orders);
  }
}

const heldStates = ['CLAIMED', 'PUBLISHED', 'RUNNING'];

function settingsFor({ headSize }: WorldOptions, random: SeededRandom): SchedulingSettings {
  return {
    claimBatch: random.pick([3, 20, 200]),
    headSize,
    startWithinMs: 5_000,
    maxInlineBytes: 64 * 1024,
    limits: { maxExpressionSteps: 100_000, maxExpandedTasks: 5_000, maxDurationMs: 3_600_000 },
    leaseMs: 10_000,
    poisonAfter: 5,
    ageingMs,
    // More often than the product does: a seed lasts a minute or so.
    sweepMs: 2_000,
    maxResidentRows: random.pick([1, 60, 10_000]),
    maxPayloadBytes: random.pick([1, 2_000, 1_000_000]),
  };
}

function lineOf(by: string, { tasks, newTasks, runs, history }: Flush): string {
  const moves = [...newTasks, ...tasks].map(({ runId, taskId, itemIndex, state, attempt }) => {
    return `${runId}/${taskId}${itemIndex < 0 ? '' : `[${itemIndex}]`}=${state}${attempt > 1 ? `*${attempt}` : ''}`;
  });
  const ends = runs.filter(({ finishedAt }) => finishedAt !== null).map(({ id, state }) => `${id}=${state}`);
  return `${by} stores ${history.length} entries: ${[...moves, ...ends].join(' ')}`;
}
