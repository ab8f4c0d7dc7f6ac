/** What a pause, a resume or a new priority does to all waiting tasks of a run at once. */
import { sql, type SqlRunner } from '@cogmesh/database';
import { readyEntry, type ReadyEntry, type TaskRow } from '../model/rows.js';
import { selectList, taskColumns } from './columns.js';
import { readyColumns } from './sql-work-queue.js';

/** Timers of tasks that nobody works on stop; what was left of them is kept. */
export async function holdTimers(tx: SqlRunner, runId: string, now: number): Promise<void> {
  await tx.execute(sql`update tasks set held_ms = case when due_at > ${now} then due_at - ${now} else 0 end, due_at = null
    where run_id = ${runId} and state in ('READY', 'RETRY_WAIT', 'WAITING') and due_at is not null`);
}

export async function releaseTimers(tx: SqlRunner, runId: string, now: number): Promise<void> {
  await tx.execute(sql`update tasks set due_at = held_ms + ${now}, held_ms = null
    where run_id = ${runId} and held_ms is not null`);
}

export async function readyOfRun(tx: SqlRunner, runId: string): Promise<ReadyEntry[]> {
  const columns = selectList(taskColumns, 't', readyColumns);
  const rows = await tx.query(sql<TaskRow>`select ${columns} from tasks t
    where t.run_id = ${runId} and t.state = 'READY'`);
  return rows.map(readyEntry);
}

const open = sql.raw(`('BLOCKED', 'READY', 'CLAIMED', 'PUBLISHED', 'RUNNING', 'RETRY_WAIT', 'WAITING')`);

/** Of one task with its items, or of every task that has none of its own; answers how many rows that were. */
export function changePriority(
  tx: SqlRunner,
  runId: string,
  { taskId, priority }: { readonly taskId: string | undefined; readonly priority: number },
): Promise<number> {
  return taskId === undefined
    ? tx.execute(sql`update tasks set priority = ${priority}
        where run_id = ${runId} and own_priority = 0 and state in ${open}`)
    : tx.execute(sql`update tasks set priority = ${priority}, own_priority = 1
        where run_id = ${runId} and task_id = ${taskId} and state in ${open}`);
}

/** Unfinished runs that are nested in `runId`, at any depth. */
export async function nestedIn(db: Pick<SqlRunner, 'query'>, runId: string): Promise<string[]> {
  const rows = await db.query(sql<{ id: string }>`with recursive inside as (
      select r.id, r.state from runs r where r.parent_run_id = ${runId}
      union all select r.id, r.state from runs r join inside i on r.parent_run_id = i.id)
    select id from inside where state in ('PENDING', 'RUNNING', 'PAUSED', 'CANCELLING')`);
  return rows.map((row) => row.id);
}
