/**
 * The single place where runs change. A decision waits until its runs are in memory, then runs at once and to its end;
 * memory is ahead of the store by the changes of one or two flushes. Whoever asked is answered, and the world is told, when
 * the flush that holds the decision is stored. While one flush is under way the next one collects, so that an idle engine
 * adds no wait and a busy one writes large batches.
 *
 * When a flush fails, nobody knows what is stored: everything that was decided since is refused, memory is thrown away and
 * read anew. Memory may therefore be wrong for a moment and never does harm.
 */
import { CogmeshError, toCogmeshError } from '@cogmesh/errors';
import { Changes } from './changes.js';
import type { Effects } from './effects.js';
import type { LoadedRun } from './new-run.js';
import { Outcomes } from './outcomes.js';
import type { Clock, EngineStore, Flushed, Ownership, Snapshot } from './ports.js';
import type { ResidentRun } from './resident-run.js';
import { Residents } from './residents.js';
import type { TaskRow } from './rows.js';
import { Unit } from './unit.js';

export interface EngineOptions {
  readonly store: EngineStore;
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random: () => number;
  readonly ageingMs: number;
  readonly maxResidentRows: number;
  readonly maxPayloadBytes: number;
}

/** Whoever keeps something in step with the rows. */
export interface EngineListener {
  /** Memory is thrown away: forget everything. */
  reset?(): void;
  /** Memory is read anew; what held runs say comes by `loaded`. */
  restored?(snapshot: Snapshot): void;
  /** A run came into memory. */
  loaded?(run: ResidentRun): void;
  evicted?(run: ResidentRun): void;
  /** Decided; not stored yet. */
  decided?(effects: Effects): void;
  /** Stored. */
  stored?(effects: readonly Effects[], flushed: Flushed): void;
  /** Memory cannot be trusted: somebody is to call `own` again. */
  doubted?(error: CogmeshError): void;
}

export class Engine {
  readonly residents: Residents;
  readonly clock: Clock;
  readonly #options: EngineOptions;
  readonly #listeners: EngineListener[] = [];
  readonly #attempts = new Map<string, TaskRow>();
  #owned: Ownership = new Map();
  #changes = new Changes();
  #storing: Changes | undefined;
  /** Of the newest flush; never rejects. */
  #lastFlush: Promise<void> = Promise.resolve();
  #isScheduled = false;
  /** Of memory; a decision begun in an older one is void. */
  #generation = 0;
  #state: 'closed' | 'open' = 'closed';
  #waiting: { readonly go: () => void; readonly refuse: (error: CogmeshError) => void }[] = [];
  #isStopped = false;
  #lastNow = 0;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.clock = options.clock;
    const { store, maxResidentRows: maxRows, maxPayloadBytes } = options;
    this.residents = new Residents({
      store,
      maxRows,
      maxPayloadBytes,
      isDirty: (task) => this.#isDirty(task),
      onLoaded: (run) => this.#loaded(run),
      onEvicted: (run) => this.#each((listener) => listener.evicted?.(run)),
    });
  }

  listen(listener: EngineListener): void {
    this.#listeners.push(listener);
  }

  get owned(): Ownership {
    return this.#owned;
  }

  get generation(): number {
    return this.#generation;
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  owns(shard: number): boolean {
    return this.#owned.has(shard);
  }

  /** Milliseconds since the epoch; never goes back. */
  now(): number {
    this.#lastNow = Math.max(this.#lastNow, this.#options.clock.now());
    return this.#lastNow;
  }

  /** The task of an attempt that is held now. */
  attempt(attemptId: string): TaskRow | undefined {
    return this.#attempts.get(attemptId);
  }

  /** Reads the state of these shards and works on them from then on. Rejects when the store does not answer. */
  async own(owned: Ownership): Promise<void> {
    await this.stored().catch(() => undefined);
    this.#isStopped = false;
    this.#forget(readAnew());
    const generation = this.#generation;
    this.#owned = owned;
    // What is on its way to the store arrives or fails before the store is read.
    await this.#lastFlush;
    const snapshot = await this.#options.store.snapshot([...owned.keys()]);
    const held = await this.residents.pin(snapshot.held.map(({ runId }) => runId));
    if (generation !== this.#generation) throw new CogmeshError('unavailable', 'the shards have changed meanwhile');
    this.residents.release(held);
    this.#state = 'open';
    this.#each((listener) => listener.restored?.(snapshot));
    for (const { go } of this.#waiting.splice(0)) go();
  }

  /** Everything decided is stored or refused; until `own` is called again everything else is refused. */
  async close(): Promise<void> {
    await this.stored().catch(() => undefined);
    this.#isStopped = true;
    const error = stopping();
    this.#forget(error);
    this.#owned = new Map();
    for (const { refuse } of this.#waiting.splice(0)) refuse(error);
  }

  /** Resolves when memory can be trusted; rejects with `unavailable` when the engine is closed. */
  async opened(): Promise<void> {
    while (this.#state !== 'open') {
      if (this.#isStopped) throw stopping();
      await new Promise<void>((go, refuse) => this.#waiting.push({ go, refuse }));
    }
  }

  /** Resolves when everything decided so far is stored. */
  async stored(): Promise<void> {
    if (this.#changes.isEmpty) await this.#storing?.stored;
    else {
      const waited = this.#changes.await();
      this.#schedule();
      await waited;
    }
  }

  /**
   * Resolves when everything decided so far is stored and nobody else had taken a shard of ours by then: what memory does not
   * know was not. A scheduler that slept may otherwise judge by what was true before. Memory that is in doubt knows nothing.
   */
  async verified(): Promise<void> {
    if (!this.isOpen) throw readAnew();
    const generation = this.#generation;
    await this.stored();
    try {
      await this.#options.store.verify(this.#owned);
    } catch (error) {
      if (generation === this.#generation && isFenced(error)) this.doubt(error);
      throw error;
    }
    if (generation !== this.#generation) throw readAnew();
  }

  /**
   * Loads the runs (those that are gone, or another replica's, are left out), runs `work` in one go, settles what follows,
   * and answers once it is stored. `work` throws before it changes anything, or not at all.
   */
  async transact<T>(runIds: Iterable<string>, work: (unit: Unit, outcomes: Outcomes) => T): Promise<T> {
    // Memory may come into doubt in any pause: that it is open and which one it is are asked in one go.
    while (!this.isOpen) await this.opened();
    const generation = this.#generation;
    const pinned = await this.residents.pin(runIds);
    let decided: { readonly result: T; readonly stored: Promise<unknown> };
    try {
      if (generation !== this.#generation) throw readAnew();
      decided = this.#decide(
        pinned.filter(({ row }) => this.owns(row.shard)),
        work,
      );
    } finally {
      this.residents.release(pinned);
    }
    await decided.stored;
    return decided.result;
  }

  /** A stored run that was born a moment ago. Work of it begins at once. */
  adopt(born: LoadedRun): void {
    if (this.#state === 'open') this.#adopt(born);
    // Memory is being read: whether that found the run, nobody knows.
    else void this.adoptStored(born.run.id).catch(() => undefined);
  }

  /**
   * The same for a run that only the store has whole, perhaps because another scheduler has stored it. Resolves when it is in
   * memory and the store knows that it is taken on; memory is in doubt otherwise.
   */
  async adoptStored(runId: string): Promise<void> {
    while (!this.isOpen) await this.opened();
    const generation = this.#generation;
    try {
      const pinned = await this.residents.pin([runId]);
      // Memory that was thrown away meanwhile finds the run in the store.
      const isMine = generation === this.#generation;
      const stored = pinned.map((run) => (isMine ? this.#takeOn(run) : undefined));
      this.residents.release(pinned);
      await Promise.all(stored);
    } catch (error) {
      if (generation === this.#generation) this.doubt(error);
      throw error;
    }
  }

  #adopt(born: LoadedRun): void {
    if (!this.owns(born.run.shard)) return;
    const run = this.residents.adopt(born);
    run.pins += 1;
    void this.#takeOn(run);
    this.residents.release([run]);
  }

  /** Resolves when it is stored, if anything had to be; of another's shard nothing has. */
  #takeOn(run: ResidentRun): Promise<unknown> {
    if (!this.owns(run.row.shard)) return Promise.resolve();
    return this.#decide([run], (unit) => unit.takeOn(run)).stored;
  }

  /** Memory differs from the store, or may. */
  doubt(thrown: unknown): void {
    if (this.#state === 'closed') return;
    const error = toCogmeshError(thrown);
    this.#forget(error);
    this.#each((listener) => listener.doubted?.(error));
  }

  #decide<T>(runs: readonly ResidentRun[], work: (unit: Unit, outcomes: Outcomes) => T) {
    const changes = this.#changes;
    const unit = new Unit({
      birth: { now: this.now(), ageingMs: this.#options.ageingMs },
      runs,
      changes,
      residents: this.residents,
      attempts: this.#attempts,
    });
    const outcomes = new Outcomes(unit, this.#options.random);
    let result: T;
    try {
      result = work(unit, outcomes);
      outcomes.settle();
      changes.effects.push(unit.effects);
      this.#each((listener) => listener.decided?.(unit.effects));
    } catch (error) {
      // Half a decision cannot be taken back; a refusal comes before the first change.
      if (unit.hasChanged) this.doubt(error);
      throw error;
    }
    const stored = unit.hasChanged ? changes.await() : this.#storedOf(runs);
    this.#schedule();
    return { result, stored };
  }

  /** What was looked at is stored: an answer says nothing that a crash could take back. */
  #storedOf(runs: readonly ResidentRun[]): Promise<unknown> {
    const holds = (changes: Changes | undefined): boolean => runs.some((run) => changes?.pinned.has(run));
    if (holds(this.#changes)) return this.#changes.await();
    return holds(this.#storing) ? (this.#storing?.stored ?? Promise.resolve()) : Promise.resolve();
  }

  /** Once per turn of the event loop, so that what arrives together is written together. */
  #schedule(): void {
    if (this.#isScheduled || this.#storing || this.#changes.isEmpty) return;
    this.#isScheduled = true;
    const generation = this.#generation;
    this.clock.soon(() => {
      this.#isScheduled = false;
      if (generation === this.#generation) this.#lastFlush = this.#flush();
      else this.#schedule();
    });
  }

  async #flush(): Promise<void> {
    if (this.#storing || this.#changes.isEmpty) return;
    const changes = this.#changes;
    const generation = this.#generation;
    this.#changes = new Changes();
    this.#storing = changes;
    let flushed: Flushed;
    try {
      flushed = changes.isSilent
        ? { deliveries: 0 }
        : await this.#options.store.flush(changes.flushOf(this.now(), this.#owned));
    } catch (error) {
      if (generation === this.#generation) this.doubt(error);
      changes.reject(error);
      return;
    }
    changes.resolve(flushed);
    // Memory that was thrown away meanwhile: the new one finds in the store what is left to do.
    if (generation !== this.#generation) return;
    this.#storing = undefined;
    this.residents.release(changes.pinned);
    this.#each((listener) => listener.stored?.(changes.effects, flushed));
    this.#schedule();
  }

  #forget(error: CogmeshError): void {
    this.#state = 'closed';
    this.#generation += 1;
    const lost = this.#changes;
    this.#changes = new Changes();
    // One that is under way ends by itself: stored or refused.
    this.#storing = undefined;
    this.#attempts.clear();
    this.residents.clear();
    this.#each((listener) => listener.reset?.());
    lost.reject(error);
  }

  #loaded(run: ResidentRun): void {
    for (const task of run.held()) if (task.attemptId !== null) this.#attempts.set(task.attemptId, task);
    this.#each((listener) => listener.loaded?.(run));
  }

  #isDirty(task: TaskRow): boolean {
    return [this.#changes, this.#storing].some(
      (changes) => changes !== undefined && (changes.tasks.has(task) || changes.newTasks.has(task)),
    );
  }

  #each(tell: (listener: EngineListener) => void): void {
    for (const listener of this.#listeners) tell(listener);
  }
}

const isFenced = (error: unknown): boolean => toCogmeshError(error).details['fenced'] === true;
const stopping = (): CogmeshError => new CogmeshError('unavailable', 'the scheduler is stopping; try again');
const readAnew = (): CogmeshError => new CogmeshError('unavailable', 'the scheduler reads its state anew; try again');
