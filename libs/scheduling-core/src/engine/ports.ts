/**
 * What the engine needs of the world. Everything that waits, fails, or differs from run to run is behind one of these, so
 * that the same engine runs in production and, step by step, in a simulation.
 */
import type { HeldAttempt, LoadedRun, NewRun } from './new-run.js';
import type { NewHistoryEntry, ReadyEntry, RunMove, RunRow, TaskRef, TaskRow } from './rows.js';

export interface Clock {
  /** Milliseconds since the epoch by the store's clock; never goes back. */
  now(): number;
  /** Calls once, `ms` from now; the answer cancels it. */
  after(ms: number, call: () => void): () => void;
  /** Calls once, after everything that can be done now has been done. */
  soon(call: () => void): void;
}

/** Shards this engine owns, each with the epoch of its lease. */
export type Ownership = ReadonlyMap<number, number>;

/**
 * Everything decided since the last flush, for one transaction. Rows are the engine's own objects and go on changing: a
 * store copies what it needs before it first waits.
 */
export interface Flush {
  readonly now: number;
  /** Epochs that must still be the newest of their shard; the store writes nothing otherwise. */
  readonly owned: Ownership;
  readonly newRuns: readonly NewRun[];
  /** Also those of `newRuns`. */
  readonly newTasks: readonly TaskRow[];
  readonly tasks: readonly TaskRow[];
  readonly runs: readonly RunRow[];
  readonly history: readonly NewHistoryEntry[];
  /** Runs that came to another state, for those who asked to be told. */
  readonly moves: readonly RunMove[];
  /** Runs that wait no more to be taken on (`LoadedRun.isWaiting`). */
  readonly takenOn: readonly RunRow[];
}

export interface Flushed {
  /** Notifications that are now to be sent. */
  readonly deliveries: number;
}

/** Ready tasks that differ in nothing that decides who may serve them. */
export interface LaneName {
  readonly organisation: string;
  readonly uses: string;
  readonly affinity: string | null;
  readonly concurrencyGroup: string | null;
  readonly control: boolean;
}

/** Where to go on reading a lane: behind this place of the order. */
export type OrderPlace = Pick<ReadyEntry, 'rank' | 'runId' | 'taskId' | 'itemIndex'>;

export interface LanePage extends LaneName {
  readonly after: OrderPlace | undefined;
  /** A page that is shorter is the last. */
  readonly limit: number;
}

/** Steps that a commit called for and a crash may have kept from happening. */
export interface Unsettled {
  /** forEach tasks whose items all ended. */
  readonly aggregate: readonly TaskRef[];
  /** Unfinished runs without open tasks. */
  readonly finalise: readonly string[];
  /** Nested runs that ended while their task waits. */
  readonly answered: readonly string[];
  /** Unfinished nested runs that no task waits for. */
  readonly orphaned: readonly string[];
}

export interface Snapshot extends Unsettled {
  readonly held: readonly HeldAttempt[];
  readonly lanes: readonly (LaneName & { readonly ready: number })[];
  /** Unfinished tasks by organisation, but for those of runs that wait to be taken on (`LoadedRun.isWaiting`). */
  readonly open: readonly { readonly organisation: string; readonly open: number }[];
}

/**
 * The truth. Rejects with `fenced` (CogmeshError `failed_precondition`, details.fenced) when a shard has another owner now,
 * with `unavailable` when it does not answer; a flush that rejects with `unavailable` may have happened.
 */
export interface EngineStore {
  /**
   * What an engine that knows nothing starts from. `brief`: lanes and open tasks, which have to be counted, may be left out.
   */
  snapshot(shards: readonly number[], options?: { readonly brief?: boolean }): Promise<Snapshot>;
  /** Whole runs; those that are gone are left out. `item` and `output` of tasks are undefined: `payloads` reads them. */
  load(runIds: readonly string[]): Promise<LoadedRun[]>;
  payloads(refs: readonly TaskRef[]): Promise<(TaskRef & Pick<TaskRow, 'item' | 'output'>)[]>;
  /** JSON texts of a forEach's item outputs in order, null for one without. */
  itemOutputs(runId: string, taskId: string): Promise<(string | null)[]>;
  flush(flush: Flush): Promise<Flushed>;
  /** Rejects with `fenced` unless every epoch is the newest of its shard. */
  verify(owned: Ownership): Promise<void>;
  /** The next ready tasks of a lane, in order of rank, run, task, item. Runs that are paused are left out. */
  ready(shards: readonly number[], page: LanePage): Promise<ReadyEntry[]>;
  /**
   * Runs with a deadline or a timer that is due by `until`, soonest first. Timers of attempts (CLAIMED, PUBLISHED, RUNNING)
   * are left out: their runs are in memory, where leases are renewed and nothing of it is stored.
   */
  due(shards: readonly number[], until: number, limit: number): Promise<string[]>;
  /** Unfinished runs nested in `runId`, at any depth. */
  nestedIn(runId: string): Promise<string[]>;
}
