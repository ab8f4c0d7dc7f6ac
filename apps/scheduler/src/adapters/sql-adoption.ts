/** A new run of an old one: what the old document said, how its tasks ended, and taking over the tasks that ended well. */
import { bulk, sql, type Database, type SqlRunner } from '@cogmesh/database';
import type { Json, RunPlan, TaskPlan, TaskState } from '@cogmesh/scheduling-core';
import type { RunRow, TaskRow } from '../model/rows.js';
import { columnNames, selectList, taskColumns } from './columns.js';
import { insertHistory } from './engine-tables.js';

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

interface Adoption {
  readonly runId: string;
  readonly originRunId: string;
  readonly adopted: ReadonlySet<string>;
}

const properties = Object.keys(taskColumns) as (keyof TaskRow)[];
const copied = properties.filter((property) => property !== 'runId');

/** Copies the adopted tasks with their items and outputs into the new run, and tells its history. */
export async function adoptTasks(tx: SqlRunner, { runId, originRunId, adopted }: Adoption, now: number): Promise<void> {
  if (adopted.size === 0) return;
  const ids = bulk(
    tx.dialect,
    [...adopted].map((id) => ({ id })),
    { id: 'text' },
  );
  const copies = await tx.execute(sql`insert into tasks (run_id, ${columnNames(taskColumns, copied)})
    select ${runId}, ${sql.raw(copied.map((property) => `t.${taskColumns[property][0]}`).join(', '))} from tasks t
    where t.run_id = ${originRunId} and t.task_id in (select id from ${ids} as wanted)`);
  const tasks = await tx.query(sql<Pick<TaskRow, 'taskId' | 'state' | 'attempt'>>`select
    ${selectList(taskColumns, 't', ['taskId', 'state', 'attempt'])} from tasks t
    where t.run_id = ${runId} and t.item_index = -1 and t.task_id in (select id from ${ids} as wanted)
    order by t.position`);
  const data = JSON.stringify({ adoptedFrom: originRunId });
  const history = tasks.map(({ taskId, state, attempt }, index) => {
    return { runId, sequence: index + 2, type: 'task.state' as const, taskId, taskState: state, attempt, data };
  });
  await insertHistory(tx, history, now);
  await tx.execute(sql`update runs set sequence = sequence + ${tasks.length},
    total_tasks = total_tasks + ${copies - tasks.length} where id = ${runId}`);
}
