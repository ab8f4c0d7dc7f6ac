/**
 * One transaction of the engine: the runs it locked, the rows it read, and every change to them. `move` is the only way a
 * state changes; it asks the state machine, keeps the run's counters and history, and notes what memory must learn.
 */
import type { SqlRunner } from '@cogmesh/database';
import {
  isHeld,
  isTerminalRun,
  isTerminalTask,
  runTransition,
  transition,
  type RunEvent,
  type TaskEvent,
  type TaskState,
} from '@cogmesh/scheduling-core';
import {
  heldByAttempts,
  insertHistory,
  lockRuns,
  saveRuns,
  saveTasks,
  tasksByRef,
  type NewHistoryEntry,
  type TaskRef,
} from '../adapters/engine-tables.js';
import { readyEntry, taskKey, type HistoryEntry, type RunRow, type TaskRow } from '../model/rows.js';
import { recordDeliveries, type RunMove } from '../adapters/webhook-outbox.js';
import { noEffects, type Effects } from './effects.js';
import type { PlanCache, PlanOf } from './plan-cache.js';

/** Fields of a row that an event may set. */
export type TaskPatch = Partial<
  Pick<
    TaskRow,
    | 'capability' | 'attempt' | 'attemptId' | 'agentId' | 'queue' | 'dueAt' | 'leaseUntil' | 'timeoutAt' | 'readyAt'
    | 'claimedAt' | 'startedAt' | 'output' | 'outputBytes' | 'error' | 'traceparent' | 'itemsTotal' | 'itemsReleased'
    | 'leaseMs' | 'approvals'
  >
>; // prettier-ignore

/** States worth an entry in the history; the steps of a hand-over are not. */
const told = new Set<TaskState>(['RUNNING', 'RETRY_WAIT', 'WAITING', 'SUCCEEDED', 'FAILED', 'CANCELLED', 'SKIPPED']);

const noTimers = { dueAt: null, heldMs: null, leaseUntil: null, leaseMs: null, timeoutAt: null };

/** The nested run that the task waits for. */
const nestedRunOf = ({ state, uses, attemptId }: TaskRow): string | undefined =>
  state === 'WAITING' && uses === 'run' ? (attemptId ?? undefined) : undefined;

/** States in which a paused run keeps a task where it is. */
const pausable = new Set<TaskState>(['READY', 'RETRY_WAIT', 'WAITING']);

export class WorkUnit {
  readonly tx: SqlRunner;
  readonly now: number;
  readonly effects: Effects = noEffects();
  readonly runs: ReadonlyMap<string, RunRow>;
  readonly #plans: PlanCache;
  readonly #tasks = new Map<string, TaskRow>();
  readonly #dirtyTasks = new Set<TaskRow>();
  readonly #dirtyRuns = new Set<RunRow>();
  readonly #history: NewHistoryEntry[] = [];
  readonly #moves: RunMove[] = [];
  readonly #openBefore: ReadonlyMap<RunRow, number>;

  private constructor(
    tx: SqlRunner,
    plans: PlanCache,
    locked: { readonly runs: readonly RunRow[]; readonly now: number },
  ) {
    this.tx = tx;
    this.now = locked.now;
    this.#plans = plans;
    this.runs = new Map(locked.runs.map((run) => [run.id, run]));
    this.#openBefore = new Map(locked.runs.map((run) => [run, run.openTasks]));
  }

  /** Locks the runs; ids nobody has are left out. */
  static async open(tx: SqlRunner, plans: PlanCache, runIds: Iterable<string>): Promise<WorkUnit> {
    return new WorkUnit(tx, plans, await lockRuns(tx, [...new Set(runIds)]));
  }

  plans(tasks: Iterable<TaskRow>): Promise<PlanOf> {
    return this.#plans.load(this.tx, tasks);
  }

  async load(refs: readonly TaskRef[]): Promise<TaskRow[]> {
    return refs.length === 0 ? [] : this.adopt(await tasksByRef(this.tx, refs));
  }

  async loadHeld(attemptIds: readonly string[]): Promise<TaskRow[]> {
    return attemptIds.length === 0 ? [] : this.adopt(await heldByAttempts(this.tx, attemptIds));
  }

  /** The one object per row in this unit: a row read twice is not changed twice. Rows of unlocked runs are left out. */
  adopt(rows: readonly TaskRow[]): TaskRow[] {
    return rows
      .filter((row) => this.runs.has(row.runId))
      .map((row) => {
        const key = taskKey(row);
        const known = this.#tasks.get(key);
        if (known) return known;
        this.#tasks.set(key, row);
        this.#plans.learn(row);
        return row;
      });
  }

  task(ref: TaskRef): TaskRow | undefined {
    return this.#tasks.get(taskKey(ref));
  }

  run(task: Pick<TaskRow, 'runId'>): RunRow {
    const run = this.runs.get(task.runId);
    if (!run) throw new Error(`run ${task.runId} is not locked`);
    return run;
  }

  /** The outermost run, which counts the tasks of all; must be locked too when `run` is nested. */
  rootOf(run: RunRow): RunRow {
    return run.rootRunId === null ? run : this.run({ runId: run.rootRunId });
  }

  /** Tasks were made: in the run, or in a run nested in it. */
  grow(run: RunRow, tasks: number): void {
    for (const counted of new Set([run, this.rootOf(run)])) {
      counted.totalTasks += tasks;
      this.touchRun(counted);
    }
  }

  /** False when the state does not know the event; such an event is counted and changes nothing. */
  move(task: TaskRow, event: TaskEvent, patch: TaskPatch = {}): boolean {
    const next = transition(task.state, event);
    if (next === undefined) {
      this.effects.ignored += 1;
      return false;
    }
    this.#leave(task, next);
    task.state = next;
    Object.assign(task, noTimers, patch);
    this.#arrive(task);
    this.touch(task);
    return true;
  }

  #leave(task: TaskRow, next: TaskState): void {
    const run = this.run(task);
    if (isHeld(task.state) && !isHeld(next) && task.attemptId !== null) this.effects.freed.push(task.attemptId);
    if (task.state === 'READY' && next !== 'CLAIMED') this.effects.unready.push(taskKey(task));
    const nested = nestedRunOf(task);
    if (nested !== undefined && next !== 'SUCCEEDED') this.effects.orphaned.push(nested);
    if (!told.has(next)) return;
    if (run.state === 'PENDING') this.moveRun(run, 'start');
    run.startedAt ??= this.now;
  }

  #arrive(task: TaskRow): void {
    const isPaused = this.run(task).state === 'PAUSED' && pausable.has(task.state);
    if (isTerminalTask(task.state)) this.#ended(this.run(task), task);
    if (isPaused && task.dueAt !== null) {
      task.heldMs = Math.max(0, task.dueAt - this.now);
      task.dueAt = null;
    }
    if (task.dueAt !== null) this.#timer(task.dueAt);
    if (told.has(task.state)) this.#tell(task);
    if (task.state === 'READY' && !isPaused) this.effects.ready.push(readyEntry(task));
  }

  /** False when the run's state does not know the event. `data`: JSON of what a caller said. */
  moveRun(run: RunRow, event: RunEvent, data?: string): boolean {
    const next = runTransition(run.state, event);
    if (next === undefined) return false;
    run.state = next;
    this.#moves.push({ run, state: next });
    if (event === 'start' || event === 'resume') run.startedAt ??= this.now;
    if (isTerminalRun(next) && run.parentRunId !== null) this.effects.answered.push(run.id);
    const said = { ...(run.error === null ? {} : { error: run.error }), ...(data === undefined ? {} : { data }) };
    this.tell(run, { type: 'run.state', runState: next, ...said });
    return true;
  }

  /** Marks a row as changed without an event (counters, renewed timers). */
  touch(task: TaskRow): void {
    this.#dirtyTasks.add(task);
  }

  /** Looks at the row again at `dueAt`, without an event. */
  delay(task: TaskRow, dueAt: number): void {
    task.dueAt = dueAt;
    this.#timer(dueAt);
    this.touch(task);
  }

  touchRun(run: RunRow): void {
    this.#dirtyRuns.add(run);
  }

  tell(run: RunRow, entry: HistoryEntry): void {
    run.sequence += 1;
    this.#dirtyRuns.add(run);
    this.#history.push({ ...entry, runId: run.id, sequence: run.sequence });
    this.effects.changed.set(run.id, { organisation: run.organisation, sequence: run.sequence });
  }

  /** Writes the changed tasks, so that statements over many rows see them. */
  async flushTasks(): Promise<void> {
    const rows = [...this.#dirtyTasks];
    this.#dirtyTasks.clear();
    await saveTasks(this.tx, rows);
  }

  async flush(): Promise<void> {
    // Sent together; the database runs them in this order.
    await Promise.all([
      this.flushTasks(),
      saveRuns(this.tx, [...this.#dirtyRuns]),
      insertHistory(this.tx, this.#history, this.now),
    ]);
    this.effects.deliveries += await recordDeliveries(this.tx, this.#moves, this.now);
    this.#countOpened();
  }

  #countOpened(): void {
    for (const [run, before] of this.#openBefore) {
      const change = run.openTasks - before;
      const known = this.effects.opened.get(run.organisation) ?? 0;
      if (change !== 0) this.effects.opened.set(run.organisation, known + change);
    }
  }

  #ended(run: RunRow, task: TaskRow): void {
    task.finishedAt = this.now;
    run.openTasks -= 1;
    this.touchRun(run);
  }

  /** Timers were set by a statement over many rows. */
  wakeTimers(): void {
    this.effects.soonestTimerMs = 0;
  }

  #timer(dueAt: number): void {
    const inMs = Math.max(0, dueAt - this.now);
    this.effects.soonestTimerMs = Math.min(this.effects.soonestTimerMs ?? inMs, inMs);
  }

  #tell(task: TaskRow): void {
    this.tell(this.run(task), {
      type: 'task.state',
      taskId: task.taskId,
      taskState: task.state,
      attempt: task.attempt,
      ...(task.itemIndex < 0 ? {} : { itemIndex: task.itemIndex }),
      ...(task.agentId === null ? {} : { agentId: task.agentId }),
      ...(task.error === null ? {} : { error: task.error }),
    });
  }
}
