/**
 * Keeps this replica's lease and its part of the shards. Every second: the lease is renewed, and what is ours is compared
 * with what should be: free shards and those of the dead are taken, what is more than our part is given back. An owner gives
 * back only after its engine has stored everything and works without the shard, and takes only under a new epoch, so that
 * one engine at a time decides for it; that every flush compares the epochs guards against those who do not know better.
 *
 * A replica that cannot renew stops deciding before its lease runs out by its own monotonic clock.
 */
import { CogmeshError, toCogmeshError } from '@cogmesh/errors';
import type { Logger } from '@cogmesh/telemetry';
import { Signal } from '../engine/signal.js';
import { livingReplicas, planShards, type ReplicaView, type ShardPlan } from './plan-shards.js';
import type { ReplicaName, SqlReplicas } from './sql-replicas.js';

/** How long a replica that does not renew keeps its shards, milliseconds. */
export const replicaLeaseMs = 5_000;
/** Time between two looks, milliseconds. */
export const keeperTickMs = 1_000;
/** The engine stops so long before its lease does, milliseconds. */
const marginMs = 500;

/** Shards, each with the epoch it was taken by. */
export type Owned = ReadonlyMap<number, number>;

/** The engine and who keeps its memory; they work on what `ShardKeeper.owned` says. */
export interface OwnedMemory {
  /** What the engine works on, or did when it was last told. */
  readonly owned: Owned;
  /** Memory agrees with the store as far as is known. */
  readonly isOpen: boolean;
  /** What was decided before is stored, then memory is read for what is owned now. Resolves after one try at least. */
  read(): Promise<void>;
  /** What was decided before is stored; then nothing is decided any more. */
  close(): Promise<void>;
  /** Nothing is decided until memory has been read anew. */
  doubt(error: unknown): void;
}

export interface ShardKeeperOptions {
  readonly table: SqlReplicas;
  readonly memory: OwnedMemory;
  readonly name: ReplicaName;
  /** The number the database was made with, or is made with now. */
  readonly shards: number;
  /** Where unfinished runs of an organisation belong that were stored before there were shards. */
  readonly place: (organisation: string) => number;
  readonly logger: Logger;
  /** Others should look now: somebody came or left, or shards are nobody's. */
  readonly onShardsChanged: () => void;
  /** Before shards go to others, and when they have: what is limited as a whole is given back meanwhile. */
  readonly handOver?: { begin(): Promise<void>; end(): void };
  /** Before the engine is doubted because the lease has run out. */
  readonly onRunOut?: () => void;
  /** Who lives and what is whose, as of this look; nothing of it is certain. */
  readonly onLook?: (view: ReplicaView) => void | Promise<void>;
  /** This process may not go on: another one runs as the same replica. */
  readonly onLost: (error: CogmeshError) => void;
  /** Monotonic, milliseconds. */
  readonly monotonicMs?: () => number;
}

export class ShardKeeper {
  readonly #options: ShardKeeperOptions;
  readonly #signal = new Signal();
  /** Only a stop sets it. */
  readonly #stopping = new Signal();
  readonly #monotonicMs: () => number;
  #held = new Map<number, number>();
  /** Ours in the database until the engine has let go of them. */
  #leaving = new Map<number, number>();
  #hasRead = false;
  #view: ReplicaView | undefined;
  #leaseUntilMs = 0;
  #leaseTimer: NodeJS.Timeout | undefined;
  #state: 'new' | 'running' | 'lost' | 'stopped' = 'new';
  #loops: Promise<unknown> = Promise.resolve();

  constructor(options: ShardKeeperOptions) {
    this.#options = options;
    this.#monotonicMs = options.monotonicMs ?? (() => performance.now());
  }

  /** The lease has not run out, and the engine agrees with the database as far as is known. */
  get isSettled(): boolean {
    return this.#state === 'running' && this.#hasLease && this.#options.memory.isOpen && this.#isOwned;
  }

  /** For a person. */
  get summary(): string {
    if (this.#state === 'lost') return 'another process runs as this replica';
    if (!this.#hasLease) return 'has no lease';
    const others = this.#view === undefined ? 0 : livingReplicas(this.#view).length - 1;
    return `${this.#held.size} of ${this.#options.shards} owned, ${others} other schedulers`;
  }

  /** What is to be worked on. Throws `unavailable` while there is no lease. */
  owned(): Owned {
    if (this.#state === 'running' && this.#hasLease) return new Map(this.#held);
    throw new CogmeshError('unavailable', 'this scheduler has no lease now');
  }

  /** As of the last look; undefined while there is no lease. */
  get view(): ReplicaView | undefined {
    return this.#hasLease ? this.#view : undefined;
  }

  /** Other replicas were alive at the last look. */
  get hasCompany(): boolean {
    return this.#view !== undefined && livingReplicas(this.#view).some((id) => id !== this.#options.name.id);
  }

  /**
   * Joins and takes what is free; alone, that is everything, at once. `invalid_config` when the database was made with
   * another number of shards.
   */
  async join(): Promise<void> {
    const { table, name, shards, place, logger, onShardsChanged } = this.#options;
    await table.fixShards(shards, place);
    const asked = this.#monotonicMs();
    if (await table.join(name, replicaLeaseMs)) {
      logger.warn({ replica: name.id }, `took over from a process that ran as replica ${name.id} a moment ago`);
    }
    this.#renewed(asked);
    this.#state = 'running';
    await this.reconcile();
    onShardsChanged();
  }

  /** From now on by itself. Rejects as `join`. */
  async start(): Promise<void> {
    await this.join();
    this.#loops = Promise.all([this.#renewing(), this.#reconciling()]);
  }

  /** Everything is stored and nobody's: another replica takes it without waiting for a lease. */
  async stop(): Promise<void> {
    const { table, memory, name, logger, handOver, onShardsChanged } = this.#options;
    const wasRunning = this.#state === 'running';
    this.#state = 'stopped';
    for (const signal of [this.#signal, this.#stopping]) signal.set();
    await this.#loops;
    clearTimeout(this.#leaseTimer);
    if (!wasRunning) return memory.close();
    // Refused when what is decided cannot be stored: then nothing of it has happened.
    await handOver?.begin().catch(() => undefined);
    await memory.close();
    try {
      await table.release(name, new Map([...this.#held, ...this.#leaving]));
      await table.leave(name);
    } catch (thrown) {
      logger.warn({ err: thrown }, `shards were not given back: others take them when the lease has run out`);
    }
    onShardsChanged();
  }

  /** Something has changed: looks now. */
  wake(): void {
    this.#signal.set();
  }

  async renew(): Promise<void> {
    const { table, name } = this.#options;
    const asked = this.#monotonicMs();
    if (await table.renew(name, replicaLeaseMs)) return this.#renewed(asked);
    const { replicas } = await table.look();
    const living = replicas.find(({ id }) => id === name.id);
    if (living !== undefined) return this.#lose();
    // Forgotten as dead.
    await table.join(name, replicaLeaseMs);
    this.#renewed(asked);
  }

  /** One look, and what follows from it. */
  async reconcile(): Promise<void> {
    const { table, name, memory, onLook, handOver } = this.#options;
    if (this.#state !== 'running' || !this.#hasLease) return;
    const view = await table.look();
    this.#view = view;
    const plan = planShards(name.id, { held: this.#held, leaving: this.#leaving }, view);
    this.#apply(plan, await table.take(name, plan.take));
    await onLook?.(view);
    if (!this.#hasRead || !this.#isOwned) {
      if (plan.give.length > 0) await handOver?.begin();
      this.#hasRead = true;
      await memory.read();
    }
    await this.#release();
    if (this.#leaving.size === 0) handOver?.end();
  }

  #apply({ give, lost, take }: ShardPlan, taken: ReadonlyMap<number, number>): void {
    if (give.length + lost.length + taken.size === 0) return;
    for (const shard of give) this.#leaving.set(shard, this.#held.get(shard) ?? 0);
    for (const shard of [...give, ...lost]) this.#held.delete(shard);
    for (const [shard, epoch] of taken) this.#held.set(shard, epoch);
    const { logger, name } = this.#options;
    const facts = { replica: name.id, owned: this.#held.size, took: taken.size, asked: take.length, give, lost };
    logger.info(facts, `owns ${this.#held.size} shards`);
  }

  /** The engine was told. */
  get #isOwned(): boolean {
    const { owned } = this.#options.memory;
    return owned.size === this.#held.size && [...this.#held].every(([shard, epoch]) => owned.get(shard) === epoch);
  }

  async #release(): Promise<void> {
    const { table, name, memory, onShardsChanged } = this.#options;
    const free = new Map([...this.#leaving].filter(([shard]) => !memory.owned.has(shard)));
    if (free.size === 0) return;
    await table.release(name, free);
    for (const shard of free.keys()) this.#leaving.delete(shard);
    onShardsChanged();
  }

  async #renewing(): Promise<void> {
    while (this.#state === 'running') {
      await this.#stopping.wait(keeperTickMs);
      if (this.#state === 'running') await this.renew().catch((error: unknown) => this.#complain(error));
    }
  }

  async #reconciling(): Promise<void> {
    while (this.#state === 'running') {
      await this.#signal.wait(keeperTickMs);
      if (this.#state !== 'running') return;
      await this.reconcile().catch((error: unknown) => this.#complain(error));
    }
  }

  #complain(thrown: unknown): void {
    const error = toCogmeshError(thrown);
    this.#options.logger.warn({ code: error.code, err: error }, `shards are looked at again: ${error.message}`);
  }

  get #hasLease(): boolean {
    return this.#monotonicMs() < this.#leaseUntilMs;
  }

  #renewed(askedMs: number): void {
    if (!this.#hasLease) this.#signal.set();
    this.#leaseUntilMs = askedMs + replicaLeaseMs - marginMs;
    clearTimeout(this.#leaseTimer);
    this.#leaseTimer = setTimeout(() => this.#runOut(), this.#leaseUntilMs - this.#monotonicMs());
    this.#leaseTimer.unref();
  }

  /** Others may take the shards now. */
  #runOut(): void {
    if (this.#state !== 'running') return;
    this.#options.onRunOut?.();
    this.#options.memory.doubt(new CogmeshError('unavailable', 'the lease of this scheduler ran out; try again'));
  }

  #lose(): void {
    const { memory, name, onLost, logger } = this.#options;
    this.#state = 'lost';
    clearTimeout(this.#leaseTimer);
    const error = new CogmeshError(
      'failed_precondition',
      `another process runs as replica ${name.id}: give each scheduler a COGMESH_SCHEDULER_REPLICA of its own`,
      { replica: name.id },
    );
    memory.doubt(error);
    logger.fatal({ replica: name.id }, error.message);
    onLost(error);
  }
}
