/**
 * Runs and tasks as the scheduler stores them and as it holds them in memory. Times are milliseconds since the epoch by the
 * store's clock. JSON is text that nothing rewrites, so an output is byte for byte what the agent sent.
 */
import { needOf } from './need.js';
import type { Json } from '../json.js';
import type { RunState, TaskState } from '../states.js';

export interface RunRow {
  readonly id: string;
  readonly organisation: string;
  /** Of the scheduler replica that owns it. */
  readonly shard: number;
  readonly name: string;
  priority: number;
  /** JSON object of texts. */
  readonly labels: string;
  readonly input: string;
  /** Template of the output; null when the document names none. */
  readonly outputTemplate: string | null;
  readonly submittedBy: string;
  /** JSON that names the submitter for revocations; null for runs stored before it was kept. */
  readonly submitter: string | null;
  /** Parent of every span of the run. */
  readonly traceparent: string;
  readonly createdAt: number;
  /** The document's own tasks. */
  readonly taskCount: number;
  /** Run that this one retries or repeats. */
  readonly originRunId: string | null;
  /** Task that this run is nested in; all three or none. */
  readonly parentRunId: string | null;
  readonly parentTaskId: string | null;
  readonly parentItemIndex: number | null;
  /** The outermost run; null when that is this one. */
  readonly rootRunId: string | null;
  state: RunState;
  startedAt: number | null;
  finishedAt: number | null;
  /** Deadline; null when there is none or the run is over. */
  dueAt: number | null;
  /** JSON of a Failure; set while running tasks finish, so that nothing new starts. */
  error: string | null;
  /** JSON of the Failure that a run will end with although the rest of it goes on. */
  failure: string | null;
  output: string | null;
  /** Of the newest history entry. */
  sequence: number;
  /** Tasks and items that are not terminal. */
  openTasks: number;
  /** Tasks and items that exist, those of nested runs included. */
  totalTasks: number;
  /** Schedule that fired it. */
  readonly scheduleId: string | null;
}

export interface TaskRow {
  readonly runId: string;
  readonly taskId: string;
  /** -1 for a task itself, from 0 for a forEach item. */
  readonly itemIndex: number;
  readonly position: number;
  readonly organisation: string;
  readonly shard: number;
  readonly uses: string;
  priority: number;
  /** Place in the order while READY: `readyAt - priority * ageingMs`, smaller first. */
  rank: number;
  /** Of its organisation; items are in their task's. */
  readonly concurrencyGroup: string | null;
  /** Labels its agent must carry, as `affinityText` writes them; null for none. */
  readonly affinity: string | null;
  /** JSON of the TaskPlan; null for items, which follow their task's. */
  readonly plan: string | null;
  /** JSON of the item's value; null for tasks; undefined in memory while only the store holds it. */
  item: string | null | undefined;
  /** 1 when something precedes or replaces the claim: `when`, `forEach`, `sleep`, `approval`, `run`. */
  readonly control: number;
  state: TaskState;
  /** Unmet dependencies. */
  pending: number;
  /** Exact capability of the newest claim. */
  capability: string | null;
  /** Counted attempts. */
  attempt: number;
  /** Of the newest claim; the id of the nested run while a `run` task waits for it. */
  attemptId: string | null;
  agentId: string | null;
  /** Shared queue it was published to; null when an agent was chosen. */
  queue: string | null;
  /** When the row next needs attention; what that is follows from the state. */
  dueAt: number | null;
  leaseUntil: number | null;
  timeoutAt: number | null;
  readyAt: number | null;
  claimedAt: number | null;
  startedAt: number | null;
  finishedAt: number | null;
  /** Undefined in memory while only the store holds it. */
  output: string | null | undefined;
  outputBytes: number;
  /** JSON of a Failure. */
  error: string | null;
  itemsTotal: number;
  itemsSucceeded: number;
  itemsFailed: number;
  itemsReleased: number;
  /** Of the newest attempt's dispatch span. */
  traceparent: string | null;
  /** What was left of `dueAt` when the run was paused, milliseconds; `dueAt` is null meanwhile. */
  heldMs: number | null;
  /** Period of the lease when the task names its own, milliseconds. */
  leaseMs: number | null;
  /** Attempts that were lost with their agent. */
  losses: number;
  /** JSON of an ApprovalRecord. */
  approvals: string | null;
  /** 1 when the document or a caller named this task's priority: a change of the run's leaves it alone. */
  ownPriority: number;
}

/** Names a task or an item. */
export interface TaskRef {
  readonly runId: string;
  readonly taskId: string;
  readonly itemIndex: number;
}

/** What an `approval` task asks for and who has answered, as stored. */
export interface ApprovalRecord {
  readonly message: string;
  readonly approvers: number;
  readonly roles: readonly string[];
  readonly notBy?: 'submitter';
  readonly signals: readonly ApprovalSignal[];
}

export interface ApprovalSignal {
  /** Subject, and who vouches for it: two issuers may use the same name. */
  readonly by: string;
  readonly issuer: string;
  /** ISO 8601, by the database's clock. */
  readonly at: string;
  readonly comment: string;
  readonly data: Json;
}

/** Why a task or run failed, as stored. */
export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
  readonly details?: unknown;
}

export type HistoryType = 'run.state' | 'task.state' | 'task.progress' | 'run.done';

/** One entry of a run's history; the sequence is given when it is told. */
export interface HistoryEntry {
  readonly type: HistoryType;
  readonly runState?: RunState;
  readonly taskId?: string;
  readonly taskState?: TaskState;
  readonly itemIndex?: number;
  readonly attempt?: number;
  readonly agentId?: string | null;
  /** JSON of a Failure. */
  readonly error?: string | null;
  /** JSON of `task.progress`; of others, what a caller said or what they refer to. */
  readonly data?: string;
}

/** Told by the engine, not stored yet. */
export interface NewHistoryEntry extends HistoryEntry {
  readonly runId: string;
  readonly sequence: number;
}

/** A run came to a state. */
export interface RunMove {
  readonly run: RunRow;
  readonly state: RunState;
}

export interface StoredHistoryEntry extends HistoryEntry {
  readonly sequence: number;
  readonly time: number;
}

/** Unique name of a task or item. */
export function taskKey(row: TaskRef): string {
  return `${row.runId} ${row.taskId} ${row.itemIndex}`;
}

/** A ready task as the order knows it. */
export interface ReadyEntry {
  readonly key: string;
  readonly runId: string;
  readonly taskId: string;
  readonly itemIndex: number;
  readonly organisation: string;
  /** What it needs of an agent, as `needOf` writes it. */
  readonly group: string;
  readonly concurrencyGroup?: string | undefined;
  readonly priority: number;
  readonly readyAtMs: number;
  /** Of its row. */
  readonly rank: number;
  readonly shard: number;
  readonly control: boolean;
}

export function readyEntry(row: ReadyColumns): ReadyEntry {
  const { runId, taskId, itemIndex, organisation, shard, concurrencyGroup, priority, rank, readyAt, control } = row;
  return {
    key: taskKey(row),
    runId,
    taskId,
    itemIndex,
    organisation,
    group: needOf(row),
    ...(concurrencyGroup === null ? {} : { concurrencyGroup }),
    priority,
    readyAtMs: readyAt ?? 0,
    rank,
    shard,
    control: control === 1,
  };
}

/** What of a row its entry in the order is made from. */
export type ReadyColumns = Pick<
  TaskRow,
  | 'runId' | 'taskId' | 'itemIndex' | 'organisation' | 'shard' | 'uses' | 'affinity' | 'concurrencyGroup' | 'priority'
  | 'rank' | 'readyAt' | 'control'
>; // prettier-ignore
