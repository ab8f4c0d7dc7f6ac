/** Rows as messages of the contract. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { commonV1 } from '@cogmesh/contracts';
import { schedulerV1 } from '@cogmesh/contracts';
import type { RunState, TaskState } from '@cogmesh/scheduling-core';
import { traceIdOf } from '@cogmesh/telemetry';
import type { TaskView } from '../adapters/sql-run-views.js';
import type { Failure, RunRow, StoredHistoryEntry } from '@cogmesh/scheduling-core';

export const runStates: Readonly<Record<RunState, schedulerV1.RunState>> = {
  PENDING: schedulerV1.RunState.PENDING,
  RUNNING: schedulerV1.RunState.RUNNING,
  PAUSED: schedulerV1.RunState.PAUSED,
  CANCELLING: schedulerV1.RunState.CANCELLING,
  SUCCEEDED: schedulerV1.RunState.SUCCEEDED,
  FAILED: schedulerV1.RunState.FAILED,
  CANCELLED: schedulerV1.RunState.CANCELLED,
};

const taskStates: Readonly<Record<TaskState, schedulerV1.TaskState>> = {
  BLOCKED: schedulerV1.TaskState.BLOCKED,
  READY: schedulerV1.TaskState.READY,
  CLAIMED: schedulerV1.TaskState.CLAIMED,
  PUBLISHED: schedulerV1.TaskState.PUBLISHED,
  RUNNING: schedulerV1.TaskState.RUNNING,
  RETRY_WAIT: schedulerV1.TaskState.RETRY_WAIT,
  WAITING: schedulerV1.TaskState.WAITING,
  SUCCEEDED: schedulerV1.TaskState.SUCCEEDED,
  FAILED: schedulerV1.TaskState.FAILED,
  CANCELLED: schedulerV1.TaskState.CANCELLED,
  SKIPPED: schedulerV1.TaskState.SKIPPED,
};

/** Undefined for UNSPECIFIED. */
export function runStateOf(state: schedulerV1.RunState): RunState | undefined {
  return (Object.keys(runStates) as RunState[]).find((name) => runStates[name] === state);
}

/** The contract's limit on evidence. */
const maxDetailsBytes = 16 * 1024;

export function errorInfo(
  json: string | null | undefined,
): MessageInitShape<typeof commonV1.ErrorInfoSchema> | undefined {
  if (json === null || json === undefined) return undefined;
  const { code, message, retryable, details } = JSON.parse(json) as Failure;
  const detailsJson = details === undefined ? '' : JSON.stringify(details);
  return { code, message, retryable, detailsJson: detailsJson.length <= maxDetailsBytes ? detailsJson : '' };
}

const withError = (json: string | null | undefined) => {
  const error = errorInfo(json);
  return error === undefined ? {} : { error };
};

export type RunMessage = MessageInitShape<typeof schedulerV1.RunSchema>;
export type TaskMessage = MessageInitShape<typeof schedulerV1.TaskSchema>;

export function runMessage(run: RunRow, tasks: TaskMessage[] = []): RunMessage {
  return {
    id: run.id,
    name: run.name,
    organisation: run.organisation,
    state: runStates[run.state],
    priority: run.priority,
    labels: JSON.parse(run.labels) as Record<string, string>,
    createdAt: timestampFromMs(run.createdAt),
    ...(run.startedAt === null ? {} : { startedAt: timestampFromMs(run.startedAt) }),
    ...(run.finishedAt === null ? {} : { finishedAt: timestampFromMs(run.finishedAt) }),
    traceId: traceIdOf(run.traceparent) ?? '',
    tasks,
    outputJson: run.output ?? '',
    submittedBy: run.submittedBy,
    originRunId: run.originRunId ?? '',
    parentRunId: run.parentRunId ?? '',
    parentTaskId: run.parentTaskId ?? '',
    paused: run.state === 'PAUSED',
    sequence: BigInt(run.sequence),
    scheduleId: run.scheduleId ?? '',
    ...withError(run.error),
  };
}

export interface TaskMessageExtras {
  readonly depends: readonly string[];
  readonly waiting: { readonly code: string; readonly message: string } | undefined;
  /** The database's clock, for tasks still under way. */
  readonly now: number;
}

export function taskMessage(task: TaskView, { depends, waiting, now }: TaskMessageExtras): TaskMessage {
  return {
    id: task.taskId,
    uses: task.capability ?? task.uses,
    state: taskStates[task.state],
    attempt: task.attempt,
    agentId: task.agentId ?? '',
    queuedMs: between(task.readyAt, task.startedAt, now),
    runMs: between(task.startedAt, task.finishedAt, now),
    depends: [...depends],
    ...(task.itemsTotal > 0 ? { items: itemCounts(task) } : {}),
    ...(waiting === undefined ? {} : { waiting: { code: waiting.code, message: waiting.message } }),
    ...withError(task.error),
  };
}

const itemCounts = (task: TaskView) => ({
  total: task.itemsTotal,
  succeeded: task.itemsSucceeded,
  failed: task.itemsFailed,
});

function between(from: number | null, to: number | null, now: number): bigint {
  return from === null ? 0n : BigInt(Math.max(0, (to ?? now) - from));
}

export function historyMessage(entry: StoredHistoryEntry): MessageInitShape<typeof schedulerV1.RunEventSchema> {
  return {
    sequence: BigInt(entry.sequence),
    time: timestampFromMs(entry.time),
    type: entry.type,
    ...(entry.runState == null ? {} : { runState: runStates[entry.runState] }),
    taskId: entry.taskId ?? '',
    ...(entry.taskState == null ? {} : { taskState: taskStates[entry.taskState] }),
    ...(entry.itemIndex == null ? {} : { index: entry.itemIndex }),
    attempt: entry.attempt ?? 0,
    agentId: entry.agentId ?? '',
    dataJson: entry.data ?? '',
    ...withError(entry.error),
  };
}
