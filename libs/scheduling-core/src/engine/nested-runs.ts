/**
 * Runs inside runs. A `run` task waits with the id of its nested run as attempt id, so only the end of that very run counts.
 * The nested run is born in the decision that makes its task wait; its end reaches the task, and the end of the task
 * reaches it, by steps that are found again in the store after a crash.
 */
import type { RunPlan } from '../run-plan.js';
import { isTerminalRun } from '../states.js';
import { cancelRun } from './cancel-run.js';
import { withRuns } from './decide.js';
import type { Engine } from './engine.js';
import { newRun } from './new-run.js';
import { failureOf, type Outcomes } from './outcomes.js';
import type { Failure, RunRow, TaskRow } from './rows.js';
import type { Unit } from './unit.js';

export interface NestedStart {
  readonly row: TaskRow;
  readonly plan: RunPlan;
  readonly timeoutMs: number;
  readonly runId: string;
  /** Tasks of the outermost run and of all runs in it. */
  readonly maxTasks: number;
}

/**
 * Same organisation, shard, submitter, trace and deadline as the run it is in; its rights were checked when that was
 * submitted. The outermost run must be part of the unit.
 */
export function startNested(unit: Unit, outcomes: Outcomes, start: NestedStart): void {
  const { row, plan, timeoutMs, runId, maxTasks } = start;
  const run = unit.run(row);
  const root = unit.rootOf(run);
  if (root.totalTasks + plan.tasks.length > maxTasks) {
    const message = `the nested run has ${plan.tasks.length} tasks, there is room for ${maxTasks - root.totalTasks} more`;
    outcomes.fail(row, failureOf('overloaded', message, { retryable: false }), 'invalid');
    return;
  }
  const dueAt = unit.now + timeoutMs;
  unit.move(row, 'wait', { attempt: row.attempt + 1, attemptId: runId, startedAt: unit.now, dueAt });
  const { organisation, shard, submittedBy, submitter, traceparent } = run;
  const { taskId, itemIndex } = row;
  const submission = {
    runId,
    organisation,
    shard,
    submittedBy,
    submitter,
    plan,
    traceparent,
    callerTraceparent: '',
    idempotencyKey: '',
    requestSha256: '',
    parent: { runId: run.id, taskId, itemIndex, rootRunId: root.id, dueAt: run.dueAt },
  };
  unit.addRun(newRun(submission, unit.birth));
  unit.grow(root, plan.tasks.length);
  const index = itemIndex < 0 ? {} : { itemIndex };
  unit.tell(run, { type: 'task.progress', taskId, ...index, data: JSON.stringify({ runId }) });
}

/** Nested runs ended: the tasks that wait for them end the same way. */
export async function answerParents(engine: Engine, runIds: readonly string[]): Promise<void> {
  if (runIds.length === 0) return;
  await withRuns(engine, runIds, (runs) => {
    const parents = runs.flatMap(({ row }) => row.parentRunId ?? []);
    return engine.transact([...runIds, ...parents], (unit, outcomes) => {
      for (const id of runIds) {
        const run = unit.find(id)?.row;
        if (run && isTerminalRun(run.state)) answerParent(unit, outcomes, run);
      }
    });
  });
}

function answerParent(unit: Unit, outcomes: Outcomes, run: RunRow): void {
  const { parentRunId, parentTaskId, parentItemIndex } = run;
  const ref = { runId: parentRunId ?? '', taskId: parentTaskId ?? '', itemIndex: parentItemIndex ?? -1 };
  const task = unit.task(ref);
  if (task?.state !== 'WAITING' || task.attemptId !== run.id) return;
  if (run.state === 'SUCCEEDED') outcomes.succeed(task, { json: run.output ?? 'null' });
  else outcomes.retryOrFail(task, failureOfRun(run));
}

function failureOfRun({ id, error }: RunRow): Failure {
  const { code, message, details } = JSON.parse(error ?? '{"code":"task_failed","message":"it failed"}') as Failure;
  return failureOf(code, `its run ${id}: ${message}`, {
    retryable: false,
    ...(details === undefined ? {} : { details }),
  });
}

/** Nobody waits for these runs any more. */
export async function endOrphans(engine: Engine, runIds: readonly string[]): Promise<void> {
  if (runIds.length === 0) return;
  await engine.transact(runIds, (unit) => {
    for (const run of unit.runs) cancelRun(unit, run, 'the task that started it has ended');
  });
}
