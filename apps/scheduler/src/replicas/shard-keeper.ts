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
import { Backoff } from '../engine/backoff.js';
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

/** Decides for the shards it owns; nobody but the keeper says which. */
export interface OwningEngine {
  /** What was decided before is stored; then only these shards are worked on. */
  own(owned: Owned): Promise<void>;
  /** What was decided before is stored; then nothing is decided any more. */
  close(): Promise<void>;
  /** Nothing is decided until `own`. */
  doubt(error: unknown): void;
  listen(listener: { doubted(): void }): void;
}

export interface ShardKeeperOptions {
  readonly table: SqlReplicas;
  readonly engine: OwningEngine;
  readonly name: ReplicaName;
  /** The number the database was made with, or is made with now. */
  readonly shards: number;
  /** Where unfinished runs of an organisation belong that were stored before there were shards. */
  readonly place: (organisation: string) => number;
  readonly logger: Logger;
  /** Others should look now: somebody came or left, or shards are nobody's. */
  readonly onShardsChanged: () => void;
  /** Before shards go to others: what is limited as a whole is given back. */
  readonly beforeHandOver?: () => Promise<void>;
  /** Who lives and what is whose, as of this look; nothing of it is certain. */
  readonly onLook?: (view: ReplicaView) => void;
  /** This process may not go on: another one runs as the same replica. */
  readonly onLost: (error: CogmeshError) => void;
  /** Monotonic, milliseconds. */
  readonly monotonicMs?: () => number;
}

export class ShardKeeper {
  readonly #options: ShardKeeperOptions;
  readonly #signal = new Signal();
  /** Waits that only a stop ends. */
  readonly #rests = { renewing: new Signal(), doubting: new Signal() };
  readonly #doubts = new Backoff(50, 2_000);
  readonly #monotonicMs: () => number;
  #held = new Map<number, number>();
  /** Given up by the engine, and not nobody's yet. */
  #leaving = new Map<number, number>();
  #view: ReplicaView | undefined;
  #mustOwn = true;
  #leaseUntilMs = 0;
  #leaseTimer: NodeJS.Timeout | undefined;
  #state: 'new' | 'running' | 'lost' | 'stopped' = 'new';
  #loops: Promise<unknown> = Promise.resolve();

  constructor(options: ShardKeeperOptions) {
    this.#options = options;
    this.#monotonicMs = options.monotonicMs ?? (() => performance.now());
    options.engine.listen({
      doubted: () => {
        this.#mustOwn = true;
        this.#signal.set();
      },
    });
  }

  /** The lease has not run out, and the engine agrees with the database as far as is known. */
  get isSettled(): boolean {
    return this.#state === 'running' && this.#hasLease && !this.#mustOwn;
  }

  /** Ids of the replicas that were alive at the last look, this one among them. */
  get living(): readonly string[] {
    return this.#view === undefined ? [this.#options.name.id] : livingReplicas(this.#view);
  }

  get view(): ReplicaView | undefined {
    return this.#view;
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
    const { table, engine, name, logger, beforeHandOver, onShardsChanged } = this.#options;
    const wasRunning = this.#state === 'running';
    this.#state = 'stopped';
    for (const each of [this.#signal, ...Object.values(this.#rests)]) each.set();
    await this.#loops;
    clearTimeout(this.#leaseTimer);
    if (!wasRunning) return engine.close();
    try {
      await beforeHandOver?.();
      await engine.close();
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
    const { table, name, onLook } = this.#options;
    if (this.#state !== 'running' || !this.#hasLease) return;
    const view = await table.look();
    this.#view = view;
    const plan = planShards(name.id, this.#held, view);
    const taken = await table.take(name, plan.take);
    this.#apply(plan, taken);
    onLook?.(view);
    if (this.#mustOwn) await this.#own(plan.give.length > 0);
    await this.#release();
  }

  #apply({ give, lost, take }: ShardPlan, taken: ReadonlyMap<number, number>): void {
    if (give.length + lost.length + taken.size === 0) return;
    this.#mustOwn = true;
    for (const shard of give) this.#leaving.set(shard, this.#held.get(shard) ?? 0);
    for (const shard of [...give, ...lost]) this.#held.delete(shard);
    for (const [shard, epoch] of taken) this.#held.set(shard, epoch);
    const { logger, name } = this.#options;
    const facts = { replica: name.id, owned: this.#held.size, took: taken.size, asked: take.length, give, lost };
    logger.info(facts, `owns ${this.#held.size} shards`);
  }

  async #own(handsOver: boolean): Promise<void> {
    const { engine, beforeHandOver } = this.#options;
    if (handsOver) await beforeHandOver?.();
    this.#mustOwn = false;
    try {
      await engine.own(new Map(this.#held));
    } catch (thrown) {
      this.#mustOwn = true;
      throw thrown;
    }
  }

  async #release(): Promise<void> {
    if (this.#leaving.size === 0) return;
    const { table, name, onShardsChanged } = this.#options;
    await table.release(name, this.#leaving);
    this.#leaving = new Map();
    onShardsChanged();
  }

  async #renewing(): Promise<void> {
    while (this.#state === 'running') {
      await this.#rests.renewing.wait(keeperTickMs);
      if (this.#state === 'running') await this.renew().catch((error: unknown) => this.#complain(error));
    }
  }

  async #reconciling(): Promise<void> {
    while (this.#state === 'running') {
      await this.#signal.wait(keeperTickMs);
      if (this.#state !== 'running') return;
      try {
        await this.reconcile();
        if (!this.#mustOwn) this.#doubts.succeeded();
      } catch (thrown) {
        this.#complain(thrown);
      }
      // Memory that is doubted again at once must not be read in a circle.
      if (this.#mustOwn && this.#hasLease) await this.#rests.doubting.wait(this.#doubts.next());
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
    if (!this.#hasLease) {
      this.#mustOwn = true;
      this.#signal.set();
    }
    this.#leaseUntilMs = askedMs + replicaLeaseMs - marginMs;
    clearTimeout(this.#leaseTimer);
    this.#leaseTimer = setTimeout(() => this.#runOut(), this.#leaseUntilMs - this.#monotonicMs());
    this.#leaseTimer.unref();
  }

  /** Others may take the shards now. */
  #runOut(): void {
    if (this.#state !== 'running') return;
    this.#options.engine.doubt(new CogmeshError('unavailable', 'the lease of this scheduler ran out; try again'));
  }

  #lose(): void {
    const { engine, name, onLost, logger } = this.#options;
    this.#state = 'lost';
    clearTimeout(this.#leaseTimer);
    const error = new CogmeshError(
      'failed_precondition',
      `another process runs as replica ${name.id}: give each scheduler a COGMESH_SCHEDULER_REPLICA of its own`,
      { replica: name.id },
    );
    engine.doubt(error);
    logger.fatal({ replica: name.id }, error.message);
    onLost(error);
  }
}
