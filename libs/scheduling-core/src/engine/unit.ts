/**
 * One decision: the runs it may change, every change to them, and what follows. It never waits: what it reads is in memory
 * before it begins, so nothing can come between a look and a change. `move` is the only way a state changes; it asks the
 * state machine, keeps the run's counters and history, and notes what memory and the world must learn.
 */
import {
  isHeld,
  isTerminalRun,
  isTerminalTask,
  runTransition,
  transition,
  type RunEvent,
  type TaskEvent,
  type TaskState,
} from '../states.js';
import type { TaskPlan } from '../run-plan.js';
import type { Changes } from './changes.js';
import { noEffects, type Effects } from './effects.js';
import { rankOf, type Birth, type NewRun } from './new-run.js';
import type { ResidentRun } from './resident-run.js';
import type { Residents } from './residents.js';
import { readyEntry, type HistoryEntry, type RunRow, type TaskRef, type TaskRow } from './rows.js';

/** Fields of a row that an event may set. */
export type TaskPatch = Partial<
  Pick<
    TaskRow,
    | 'capability' | 'attempt' | 'attemptId' | 'agentId' | 'queue' | 'dueAt' | 'leaseUntil' | 'timeoutAt' | 'readyAt'
    | 'claimedAt' | 'startedAt' | 'output' | 'outputBytes' | 'error' | 'traceparent' | 'itemsTotal' | 'itemsReleased'
    | 'leaseMs' | 'approvals'
  >
>; // prettier-ignore

/** What a unit works on; the engine's own. */
export interface UnitParts {
  readonly birth: Birth;
  readonly runs: readonly ResidentRun[];
  readonly changes: Changes;
  readonly residents: Residents;
  /** Held attempts of all runs in memory. */
  readonly attempts: Map<string, TaskRow>;
}

/** States worth an entry in the history; the steps of a hand-over are not. */
const told = new Set<TaskState>(['RUNNING', 'RETRY_WAIT', 'WAITING', 'SUCCEEDED', 'FAILED', 'CANCELLED', 'SKIPPED']);

const noTimers = { dueAt: null, heldMs: null, leaseUntil: null, leaseMs: null, timeoutAt: null };

/** The nested run that the task waits for. */
const nestedRunOf = ({ state, uses, attemptId }: TaskRow): string | undefined =>
  state === 'WAITING' && uses === 'run' ? (attemptId ?? undefined) : undefined;

/** States in which a paused run keeps a task where it is. */
const pausable = new Set<TaskState>(['READY', 'RETRY_WAIT', 'WAITING']);

export class Unit {
  readonly effects: Effects = noEffects();
  readonly #parts: UnitParts;
  readonly #runs: Map<string, ResidentRun>;
  readonly #cancelledInPause = new Set<RunRow>();
  readonly #counted = new Set<RunRow>();
  #hasChanged = false;

  constructor(parts: UnitParts) {
    this.#parts = parts;
    this.#runs = new Map(parts.runs.map((run) => [run.row.id, run]));
  }

  /** Milliseconds since the epoch; the same for the whole unit. */
  get now(): number {
    return this.#parts.birth.now;
  }

  /** Something of it would have to be stored. */
  get hasChanged(): boolean {
    return this.#hasChanged;
  }

  get birth(): Birth {
    return this.#parts.birth;
  }

  /** The runs it may change. */
  get runs(): readonly ResidentRun[] {
    return [...this.#runs.values()];
  }

  /** Runs in which tasks ended or were born. */
  get counted(): Iterable<RunRow> {
    return this.#counted;
  }

  find(runId: string): ResidentRun | undefined {
    return this.#runs.get(runId);
  }

  resident({ runId }: Pick<TaskRow, 'runId'>): ResidentRun {
    const run = this.#runs.get(runId);
    if (!run) throw new Error(`run ${runId} is not part of this unit`);
    return run;
  }

  run(task: Pick<TaskRow, 'runId'>): RunRow {
    return this.resident(task).row;
  }

  task({ runId, taskId, itemIndex }: TaskRef): TaskRow | undefined {
    return this.#runs.get(runId)?.task(taskId, itemIndex);
  }

  /** The task of an attempt that is held now, if its run is part of this unit. */
  held(attemptId: string): TaskRow | undefined {
    const task = this.#parts.attempts.get(attemptId);
    return task && this.#runs.has(task.runId) ? task : undefined;
  }

  planOf(task: Pick<TaskRow, 'runId' | 'taskId'>): TaskPlan {
    return this.resident(task).plan(task.taskId);
  }

  /** The outermost run, which counts the tasks of all; must be part of the unit too when `run` is nested. */
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

  /** Rows that are born now: items of a task. They count as open. */
  addTasks(run: ResidentRun, rows: readonly TaskRow[]): void {
    const { changes, residents } = this.#parts;
    this.#change(run);
    for (const row of rows) {
      run.add(row);
      changes.newTasks.add(row);
      residents.keepPayload(row);
      if (row.state === 'READY') this.effects.ready.push(readyEntry(row));
      if (row.dueAt !== null) this.effects.timed.push(row);
    }
    residents.grew(rows.length);
    this.#open(run.row, rows.length);
    this.touchRun(run.row);
  }

  /** A run that is born now, inside another one; it is part of this unit from here on. */
  addRun(born: NewRun): ResidentRun {
    const { changes, residents } = this.#parts;
    const run = residents.adopt(born);
    this.#change(run);
    changes.newRuns.push(born);
    for (const task of born.tasks) changes.newTasks.add(task);
    changes.history.push({ runId: born.run.id, sequence: 1, type: 'run.state', runState: 'PENDING' });
    this.#runs.set(born.run.id, run);
    this.#count(born.run, born.run.openTasks);
    this.#born(run);
    return run;
  }

  /** A stored run is worked on from now on, or has been for a while. */
  takeOn(run: ResidentRun): void {
    this.#born(run);
    if (run.isCounted) return;
    run.isCounted = true;
    this.#count(run.row, run.row.openTasks);
    this.#change(run);
    this.#parts.changes.takenOn.add(run.row);
  }

  /** What a run that is stored, or is about to be, calls for. */
  #born(run: ResidentRun): void {
    for (const task of run.tasks) {
      if (task.state === 'READY') this.effects.ready.push(readyEntry(task));
      if (task.dueAt !== null) this.effects.timed.push(task);
    }
    if (run.row.dueAt !== null) this.effects.deadlines.push(run.row);
    if (run.row.openTasks === 0) this.effects.finalise.push(run.row.id);
  }

  /** False when the state does not know the event; such an event is counted and changes nothing. */
  move(task: TaskRow, event: TaskEvent, patch: TaskPatch = {}): boolean {
    return this.#move(task, event, { patch, isTold: true });
  }

  /** Ends a task without an answer of its own. Items are counted in their task, so their history has no entry for it. */
  end(task: TaskRow, event: 'cancel' | 'parent_failed', error: string): boolean {
    return this.#move(task, event, { patch: { error }, isTold: task.itemIndex < 0 });
  }

  #move(task: TaskRow, event: TaskEvent, { patch, isTold }: { patch: TaskPatch; isTold: boolean }): boolean {
    const next = transition(task.state, event);
    if (next === undefined) {
      this.effects.ignored += 1;
      return false;
    }
    this.#leave(task, next);
    task.state = next;
    Object.assign(task, noTimers, patch);
    this.#arrive(task);
    if (isTold && told.has(next)) this.#tell(task);
    this.touch(task);
    if (patch.output !== undefined) this.#parts.residents.keepPayload(task);
    return true;
  }

  #leave(task: TaskRow, next: TaskState): void {
    const { effects } = this;
    const resident = this.resident(task);
    if (isHeld(task.state) && !isHeld(next)) this.#free(resident, task);
    if (task.state === 'READY' && !this.#isOutOfOrder(resident.row)) {
      (next === 'CLAIMED' ? effects.claimed : effects.unready).push(readyEntry(task));
    }
    const nested = nestedRunOf(task);
    if (nested !== undefined && next !== 'SUCCEEDED') effects.orphaned.push(nested);
    if (!told.has(next)) return;
    const run = resident.row;
    if (run.state === 'PENDING') this.moveRun(run, 'start');
    if (run.state !== 'CANCELLING') run.startedAt ??= this.now;
  }

  /** Its ready tasks left the order when it was paused. */
  #isOutOfOrder(run: RunRow): boolean {
    return run.state === 'PAUSED' || this.#cancelledInPause.has(run);
  }

  #free(resident: ResidentRun, task: TaskRow): void {
    // A forEach parent is RUNNING without an attempt of its own.
    if (task.attemptId === null) return;
    resident.inFlight -= 1;
    this.#parts.attempts.delete(task.attemptId);
    this.effects.freed.push(task.attemptId);
  }

  #arrive(task: TaskRow): void {
    const resident = this.resident(task);
    const run = resident.row;
    const isPaused = run.state === 'PAUSED' && pausable.has(task.state);
    if (isTerminalTask(task.state)) this.#ended(run, task);
    if (isHeld(task.state)) this.#hold(resident, task);
    if (isPaused && task.dueAt !== null) {
      task.heldMs = Math.max(0, task.dueAt - this.now);
      task.dueAt = null;
    }
    if (task.dueAt !== null) this.effects.timed.push(task);
    if (task.state !== 'READY') return;
    task.rank = rankOf(task.readyAt ?? this.now, task.priority, this.birth.ageingMs);
    if (!isPaused) this.effects.ready.push(readyEntry(task));
  }

  #hold(resident: ResidentRun, task: TaskRow): void {
    if (task.attemptId === null || this.#parts.attempts.get(task.attemptId) === task) return;
    this.#parts.attempts.set(task.attemptId, task);
    resident.inFlight += 1;
  }

  /** False when the run's state does not know the event. `data`: JSON of what a caller said. */
  moveRun(run: RunRow, event: RunEvent, data?: string): boolean {
    const next = runTransition(run.state, event);
    if (next === undefined) return false;
    if (run.state === 'PAUSED' && next === 'CANCELLING') this.#cancelledInPause.add(run);
    run.state = next;
    if (event === 'start' || event === 'resume') run.startedAt ??= this.now;
    if (isTerminalRun(next) && run.parentRunId !== null) this.effects.answered.push(run.id);
    const said = { ...(run.error === null ? {} : { error: run.error }), ...(data === undefined ? {} : { data }) };
    this.tell(run, { type: 'run.state', runState: next, ...said });
    // As it is now: it may have gone on before it is stored.
    this.#parts.changes.moves.push({ run: { ...run }, state: next });
    return true;
  }

  /** Marks a row as changed without an event (counters, renewed timers). */
  touch(task: TaskRow): void {
    this.#change(this.resident(task));
    this.#parts.changes.changeTask(task);
  }

  /** Looks at the row again at `dueAt`, without an event. */
  delay(task: TaskRow, dueAt: number): void {
    task.dueAt = dueAt;
    this.effects.timed.push(task);
    this.touch(task);
  }

  touchRun(run: RunRow): void {
    this.#change(this.resident({ runId: run.id }));
    this.#parts.changes.runs.add(run);
  }

  #change(run: ResidentRun): void {
    this.#hasChanged = true;
    this.#parts.changes.pin(run);
  }

  tell(run: RunRow, entry: HistoryEntry): void {
    run.sequence += 1;
    this.touchRun(run);
    this.#parts.changes.history.push({ ...entry, runId: run.id, sequence: run.sequence });
    this.effects.changed.set(run.id, { organisation: run.organisation, sequence: run.sequence });
  }

  #ended(run: RunRow, task: TaskRow): void {
    task.finishedAt = this.now;
    this.#open(run, -1);
    this.touchRun(run);
  }

  #open(run: RunRow, change: number): void {
    run.openTasks += change;
    this.#counted.add(run);
    // All of it is counted when the run is taken on.
    if (this.resident({ runId: run.id }).isCounted) this.#count(run, change);
  }

  #count({ organisation }: RunRow, change: number): void {
    this.effects.opened.set(organisation, (this.effects.opened.get(organisation) ?? 0) + change);
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
