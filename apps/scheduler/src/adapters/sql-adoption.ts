/** A new run of an old one: what the old document said, how its tasks ended, and taking over the tasks that ended well. */
import { oneOf, sql, type Database, type SqlRunner } from '@cogmesh/database';
import type { Json, RunPlan, RunRow, Submission, TaskPlan, TaskRow, TaskState } from '@cogmesh/scheduling-core';
import { allTaskColumns, columnNames, selectList, taskColumns } from './columns.js';
import { insertHistory } from './engine-statements.js';

export interface Origin {
  readonly plan: RunPlan;
  readonly tasks: readonly { readonly id: string; readonly state: TaskState; readonly error: string | null }[];
}

/** The document of `run` as it was planned, and the state of each of its tasks. */
export async function readOrigin(db: Database, run: RunRow): Promise<Origin> {
  const rows = await db.query(sql<{
    id: string;
    plan: string;
    state: TaskState;
    error: string | null;
  }>`select t.task_id as id, t.plan, t.state, t.error from tasks t
    where t.run_id = ${run.id} and t.item_index = -1 order by t.position`);
  const [stored] = await db.query(sql<{ deadlineMs: number | null }>`select r.deadline_ms as "deadlineMs" from runs r
    where r.id = ${run.id}`);
  const deadlineMs = stored?.deadlineMs ?? undefined;
  const plan: RunPlan = {
    name: run.name,
    priority: run.priority,
    labels: JSON.parse(run.labels) as Record<string, string>,
    input: JSON.parse(run.input) as Json,
    tasks: rows.map((row) => JSON.parse(row.plan) as TaskPlan),
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
    ...(run.outputTemplate === null ? {} : { output: JSON.parse(run.outputTemplate) as Json }),
  };
  return { plan, tasks: rows };
}

const copied = allTaskColumns.filter((property) => property !== 'runId' && property !== 'shard');

/** Copies the adopted tasks with their items and outputs into the new run, and tells its history. */
export async function adoptTasks(tx: SqlRunner, run: RunRow, origin: NonNullable<Submission['origin']>): Promise<void> {
  if (origin.adopted.size === 0) return;
  const wanted = oneOf([...origin.adopted], 'text');
  const copies = await tx.execute(sql`insert into tasks (run_id, shard, ${columnNames(taskColumns, copied)})
    select ${run.id}, cast(${run.shard} as integer),
      ${sql.raw(copied.map((property) => `t.${taskColumns[property][0]}`).join(', '))} from tasks t
    where t.run_id = ${origin.runId} and t.task_id ${wanted}`);
  const tasks = await tx.query(sql<Pick<TaskRow, 'taskId' | 'state' | 'attempt'>>`select
    ${selectList(taskColumns, 't', ['taskId', 'state', 'attempt'])} from tasks t
    where t.run_id = ${run.id} and t.item_index = -1 and t.task_id ${wanted} order by t.position`);
  const data = JSON.stringify({ adoptedFrom: origin.runId });
  const history = tasks.map(({ taskId, state, attempt }, index) => {
    return { runId: run.id, sequence: index + 2, type: 'task.state' as const, taskId, taskState: state, attempt, data };
  });
  await Promise.all(insertHistory(tx.dialect, history, run.createdAt).map((statement) => tx.execute(statement)));
  await tx.execute(sql`update runs set sequence = sequence + ${tasks.length},
    total_tasks = total_tasks + ${copies - tasks.length} where id = ${run.id}`);
}
