/** What has been decided and is not stored yet: the next flush. A row that changes ten times is written once, as it is then. */
import type { Effects } from './effects.js';
import type { NewRun } from './new-run.js';
import type { Flush, Flushed, Ownership } from './ports.js';
import type { ResidentRun } from './resident-run.js';
import type { NewHistoryEntry, RunMove, RunRow, TaskRow } from './rows.js';

export class Changes {
  readonly newRuns: NewRun[] = [];
  readonly newTasks = new Set<TaskRow>();
  readonly tasks = new Set<TaskRow>();
  readonly runs = new Set<RunRow>();
  readonly history: NewHistoryEntry[] = [];
  readonly moves: RunMove[] = [];
  readonly takenOn = new Set<RunRow>();
  /** Told to the world once this is stored. */
  readonly effects: Effects[] = [];
  /** Kept in memory until this is stored. */
  readonly pinned = new Set<ResidentRun>();
  readonly stored: Promise<Flushed>;
  #resolve!: (flushed: Flushed) => void;
  #reject!: (error: unknown) => void;
  #isAwaited = false;

  constructor() {
    this.stored = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Whoever decided something awaits it; a flush that nobody awaits must not end the process.
    this.stored.catch(() => undefined);
  }

  get isEmpty(): boolean {
    return (
      !this.#isAwaited && this.newRuns.length === 0 && this.newTasks.size === 0 && this.tasks.size === 0 &&
      this.runs.size === 0 && this.history.length === 0 && this.takenOn.size === 0 && this.effects.length === 0
    ); // prettier-ignore
  }

  /** Nothing of it reaches the store. */
  get isSilent(): boolean {
    return (
      this.newRuns.length === 0 && this.newTasks.size === 0 && this.tasks.size === 0 && this.runs.size === 0 &&
      this.history.length === 0 && this.takenOn.size === 0
    ); // prettier-ignore
  }

  pin(run: ResidentRun): void {
    if (this.pinned.has(run)) return;
    this.pinned.add(run);
    run.pins += 1;
  }

  changeTask(task: TaskRow): void {
    if (!this.newTasks.has(task)) this.tasks.add(task);
  }

  /** Somebody waits for it although it may hold nothing. */
  await(): Promise<Flushed> {
    this.#isAwaited = true;
    return this.stored;
  }

  flushOf(now: number, owned: Ownership): Flush {
    const born = new Set(this.newRuns.map(({ run }) => run));
    return {
      now,
      owned,
      newRuns: this.newRuns,
      newTasks: [...this.newTasks],
      tasks: [...this.tasks],
      runs: [...this.runs].filter((run) => !born.has(run)),
      history: this.history,
      moves: this.moves,
      takenOn: [...this.takenOn],
    };
  }

  resolve(flushed: Flushed): void {
    this.#resolve(flushed);
  }

  reject(error: unknown): void {
    this.#reject(error);
  }
}
