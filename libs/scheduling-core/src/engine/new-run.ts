/** A run as it is born: rows made from a validated document, and what is known of it besides. Nothing here waits or stores. */
import { initialState } from '../plan.js';
import type { RunPlan, TaskPlan } from '../run-plan.js';
import { waitsInScheduler } from '../uses.js';
import { affinityText } from './need.js';
import type { RunRow, TaskRow } from './rows.js';

/** What a caller, a schedule or a `run` task asks for. */
export interface Submission {
  readonly runId: string;
  readonly organisation: string;
  readonly shard: number;
  readonly submittedBy: string;
  /** JSON that names the submitter for revocations. */
  readonly submitter?: string | null;
  readonly plan: RunPlan;
  /** Of the submit span: parent of all spans of the run. */
  readonly traceparent: string;
  readonly callerTraceparent: string;
  /** Empty for none. */
  readonly idempotencyKey: string;
  /** SHA-256 of the document's text. */
  readonly requestSha256: string;
  /** Schedule that fires it. */
  readonly scheduleId?: string;
  /** Run that this one retries or repeats, and what of it is taken over as it is. */
  readonly origin?: { readonly runId: string; readonly adopted: ReadonlySet<string> };
  /** Task that waits for this run. */
  readonly parent?: {
    readonly runId: string;
    readonly taskId: string;
    readonly itemIndex: number;
    readonly rootRunId: string;
    /** The run ends by then, milliseconds since the epoch. */
    readonly dueAt: number | null;
  };
}

/** A run that is not stored yet. Adopted tasks have no row here: the store copies them. */
export interface NewRun {
  readonly submission: Submission;
  readonly run: RunRow;
  readonly tasks: readonly TaskRow[];
}

export interface LoadedRun {
  readonly run: RunRow;
  readonly tasks: readonly TaskRow[];
  /** Another scheduler has stored it, and its owner has not said yet that it is taken on. */
  readonly isWaiting?: boolean;
}

/** An attempt that occupies a credit. */
export interface HeldAttempt {
  readonly attemptId: string;
  readonly runId: string;
  readonly state: 'CLAIMED' | 'PUBLISHED' | 'RUNNING';
  readonly agentId: string | null;
  readonly queue: string | null;
  readonly capability: string;
  readonly organisation: string;
  readonly uses: string;
  readonly concurrencyGroup: string | null;
}

export interface Birth {
  readonly now: number;
  readonly ageingMs: number;
}

export const rankOf = (readyAt: number, priority: number, ageingMs: number): number => readyAt - priority * ageingMs;

/** The history of a new run begins with its first state, sequence 1. */
export function newRun(submission: Submission, birth: Birth): NewRun {
  const adopted = submission.origin?.adopted ?? new Set<string>();
  const tasks = submission.plan.tasks.flatMap((task, position) =>
    adopted.has(task.id) ? [] : [taskRow(submission, { task, position, adopted }, birth)],
  );
  return { submission, run: runRow(submission, tasks.length, birth.now), tasks };
}

function runRow(submission: Submission, openTasks: number, now: number): RunRow {
  const { plan, parent, origin } = submission;
  return {
    id: submission.runId,
    organisation: submission.organisation,
    shard: submission.shard,
    name: plan.name,
    priority: plan.priority,
    labels: JSON.stringify(plan.labels),
    input: JSON.stringify(plan.input),
    outputTemplate: plan.output === undefined ? null : JSON.stringify(plan.output),
    submittedBy: submission.submittedBy,
    submitter: submission.submitter ?? null,
    traceparent: submission.traceparent,
    createdAt: now,
    taskCount: plan.tasks.length,
    originRunId: origin?.runId ?? null,
    ...placeIn(parent),
    state: 'PENDING',
    startedAt: null,
    finishedAt: null,
    dueAt: deadlineOf(submission, now),
    error: null,
    failure: null,
    output: null,
    sequence: 1,
    openTasks,
    totalTasks: plan.tasks.length,
    scheduleId: submission.scheduleId ?? null,
  };
}

/** The task that waits for the run. */
function placeIn(parent: Submission['parent']) {
  if (!parent) return { parentRunId: null, parentTaskId: null, parentItemIndex: null, rootRunId: null };
  const { runId: parentRunId, taskId: parentTaskId, itemIndex: parentItemIndex, rootRunId } = parent;
  return { parentRunId, parentTaskId, parentItemIndex, rootRunId };
}

/** The run's own deadline or its parent's, whichever is sooner. */
function deadlineOf({ plan, parent }: Submission, now: number): number | null {
  const own = plan.deadlineMs === undefined ? Infinity : now + plan.deadlineMs;
  const sooner = Math.min(own, parent?.dueAt ?? Infinity);
  return sooner === Infinity ? null : sooner;
}

interface Place {
  readonly task: TaskPlan;
  readonly position: number;
  readonly adopted: ReadonlySet<string>;
}

/** A fresh row: nothing claimed, nothing counted. */
const fresh = {
  capability: null,
  attempt: 0,
  attemptId: null,
  agentId: null,
  queue: null,
  leaseUntil: null,
  timeoutAt: null,
  claimedAt: null,
  startedAt: null,
  finishedAt: null,
  output: null,
  outputBytes: 0,
  error: null,
  itemsTotal: 0,
  itemsSucceeded: 0,
  itemsFailed: 0,
  itemsReleased: 0,
  traceparent: null,
  heldMs: null,
  leaseMs: null,
  losses: 0,
  approvals: null,
} as const satisfies Partial<TaskRow>;

function taskRow(submission: Submission, { task, position, adopted }: Place, { now, ageingMs }: Birth): TaskRow {
  const { state, pending } = initialState({ depends: task.depends.filter((id) => !adopted.has(id)) });
  const isReady = state === 'READY';
  const isControl = task.when !== undefined || task.forEach !== undefined || waitsInScheduler(task.uses);
  return {
    ...fresh,
    runId: submission.runId,
    taskId: task.id,
    itemIndex: -1,
    position,
    organisation: submission.organisation,
    shard: submission.shard,
    uses: task.uses,
    priority: task.priority,
    ownPriority: task.ownPriority ? 1 : 0,
    concurrencyGroup: task.concurrencyGroup ?? null,
    affinity: affinityText(task.affinity),
    plan: JSON.stringify(task),
    item: null,
    control: isControl ? 1 : 0,
    state,
    pending,
    rank: isReady ? rankOf(now, task.priority, ageingMs) : 0,
    readyAt: isReady ? now : null,
    dueAt: isReady && task.queueTimeoutMs !== undefined ? now + task.queueTimeoutMs : null,
  };
}

export interface NewItem {
  readonly parent: TaskRow;
  readonly plan: TaskPlan;
  /** JSON of its value. */
  readonly item: string;
  readonly itemIndex: number;
  /** READY at once, within `maxParallel`. */
  readonly isOpen: boolean;
}

/** The row of one forEach item. */
export function itemRow({ parent, plan, item, itemIndex, isOpen }: NewItem, { now, ageingMs }: Birth): TaskRow {
  const { runId, taskId, position, organisation, shard, uses, ownPriority, priority, concurrencyGroup, affinity } =
    parent;
  return {
    ...fresh,
    runId,
    taskId,
    itemIndex,
    position,
    organisation,
    shard,
    uses,
    priority,
    ownPriority,
    concurrencyGroup,
    affinity,
    plan: null,
    item,
    control: waitsInScheduler(uses) ? 1 : 0,
    state: isOpen ? 'READY' : 'BLOCKED',
    pending: 0,
    rank: isOpen ? rankOf(now, priority, ageingMs) : 0,
    readyAt: isOpen ? now : null,
    dueAt: isOpen && plan.queueTimeoutMs !== undefined ? now + plan.queueTimeoutMs : null,
  };
}
