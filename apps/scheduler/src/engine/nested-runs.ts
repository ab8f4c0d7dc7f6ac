/**
 * Runs inside runs. A `run` task waits with the id of its nested run as attempt id, so only the end of that very run counts.
 * The nested run is born in the transaction that makes its task wait; its end reaches the task, and the end of the task
 * reaches it, by steps that are found again in the database after a crash.
 */
import type { RunPlan } from '@cogmesh/scheduling-core';
import { insertSubmission } from '../adapters/sql-submissions.js';
import type { Failure, TaskRow } from '../model/rows.js';
import { cancelRun } from './cancel-run.js';
import type { ControlContext } from './controls.js';
import { failureOf, type Outcomes } from './outcomes.js';
import type { WorkUnit } from './work-unit.js';

export interface NestedStart {
  readonly row: TaskRow;
  readonly plan: RunPlan;
  readonly timeoutMs: number;
  readonly runId: string;
  /** Tasks of the outermost run and of all runs in it. */
  readonly maxTasks: number;
}

/** Same organisation, submitter, trace and deadline as the run it is in; its rights were checked when that was submitted. */
export async function startNested(unit: WorkUnit, outcomes: Outcomes, start: NestedStart): Promise<void> {
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
  const submitted = await insertSubmission(unit.tx, {
    runId,
    organisation: run.organisation,
    submittedBy: run.submittedBy,
    plan,
    traceparent: run.traceparent,
    callerTraceparent: '',
    idempotencyKey: '',
    requestSha256: '',
    parent: { ...row, rootRunId: root.id, dueAt: run.dueAt },
  });
  unit.grow(root, plan.tasks.length);
  unit.effects.ready.push(...submitted.ready);
  const { organisation } = run;
  unit.effects.opened.set(organisation, (unit.effects.opened.get(organisation) ?? 0) + submitted.open);
  unit.wakeTimers();
  const data = JSON.stringify({ runId });
  const index = row.itemIndex < 0 ? {} : { itemIndex: row.itemIndex };
  unit.tell(run, { type: 'task.progress', taskId: row.taskId, ...index, data });
}

/** Nested runs ended: the tasks that wait for them end the same way. */
export async function answerParents({ engine, sql }: ControlContext, runIds: readonly string[]): Promise<void> {
  if (runIds.length === 0) return;
  const ended = await sql.endedRuns(runIds);
  await engine.transact(
    ended.map(({ runId }) => runId),
    async (unit, outcomes) => {
      const tasks = await unit.load(ended);
      await unit.load(tasks.filter((task) => task.itemIndex >= 0).map((task) => ({ ...task, itemIndex: -1 })));
      const planOf = await unit.plans(tasks);
      for (const run of ended) {
        const task = unit.task(run);
        if (task?.state !== 'WAITING' || task.attemptId !== run.id) continue;
        if (run.state === 'SUCCEEDED') outcomes.succeed(task, { json: run.output ?? 'null' });
        else outcomes.retryOrFail(task, failureOfRun(run), planOf);
      }
    },
  );
}

function failureOfRun({ id, error }: { readonly id: string; readonly error: string | null }): Failure {
  const { code, message, details } = JSON.parse(error ?? '{"code":"task_failed","message":"it failed"}') as Failure;
  return failureOf(code, `its run ${id}: ${message}`, {
    retryable: false,
    ...(details === undefined ? {} : { details }),
  });
}

/** Nobody waits for these runs any more. */
export async function endOrphans({ engine }: ControlContext, runIds: readonly string[]): Promise<void> {
  if (runIds.length === 0) return;
  await engine.transact(runIds, async (unit) => {
    for (const run of unit.runs.values()) await cancelRun(unit, run, 'the task that started it has ended');
  });
}
