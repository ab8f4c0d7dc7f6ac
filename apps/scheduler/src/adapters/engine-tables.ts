/**
 * The statements of the engine's transactions: lock runs, read rows of theirs, write what changed. Every caller locks the
 * runs first, in id order, so that no child is born into a cancelled run and two transactions never wait for each other.
 */
import { bulk, forUpdate, nowMillis, sql, type SqlRunner } from '@cogmesh/database';
import type { Dependency, OpenTask } from '@cogmesh/scheduling-core';
import type { HistoryEntry, RunRow, TaskRow } from '../model/rows.js';
import {
  assignments,
  bulkOf,
  columnNames,
  mutableRunColumns,
  mutableTaskColumns,
  runColumns,
  selectList,
  taskColumns,
} from './columns.js';

/** Rows inserted by one statement; bounds the size of its parameter. */
const insertBatch = 2_000;

const heldStates = sql.raw(`('CLAIMED', 'PUBLISHED', 'RUNNING')`);
const openStates = sql.raw(`('BLOCKED', 'READY', 'CLAIMED', 'PUBLISHED', 'RUNNING', 'RETRY_WAIT', 'WAITING')`);

const ids = (tx: SqlRunner, list: readonly string[]) =>
  bulk(
    tx.dialect,
    list.map((id) => ({ id })),
    { id: 'text' },
  );

export interface TaskRef {
  readonly runId: string;
  readonly taskId: string;
  readonly itemIndex: number;
}

const refs = (tx: SqlRunner, list: readonly TaskRef[]) =>
  bulk(
    tx.dialect,
    list.map(({ runId, taskId, itemIndex }) => ({ run_id: runId, task_id: taskId, item_index: itemIndex })),
    { run_id: 'text', task_id: 'text', item_index: 'integer' },
  );

const taskList = selectList(taskColumns, 't');

export async function lockRuns(tx: SqlRunner, runIds: readonly string[]): Promise<{ runs: RunRow[]; now: number }> {
  // The clock is asked right behind the locks and runs once they are held: times in one run never go backwards.
  const [runs, [clock]] = await Promise.all([
    tx.query(
      sql<RunRow & { now: number }>`select ${selectList(runColumns, 'r')} from runs r
        where r.id in (select id from ${ids(tx, runIds)} as wanted) order by r.id ${forUpdate(tx.dialect)}`,
    ),
    tx.query(sql<{ now: number }>`select ${nowMillis} as now`),
  ]);
  return { runs, now: clock?.now ?? 0 };
}

export function heldByAttempts(tx: SqlRunner, attemptIds: readonly string[]): Promise<TaskRow[]> {
  return tx.query(sql<TaskRow>`select ${taskList} from tasks t
    where t.attempt_id in (select id from ${ids(tx, attemptIds)} as wanted) and t.state in ${heldStates}`);
}

export function tasksByRef(tx: SqlRunner, wanted: readonly TaskRef[]): Promise<TaskRow[]> {
  return tx.query(sql<TaskRow>`select ${taskList} from ${refs(tx, wanted)} as w
    join tasks t on t.run_id = w.run_id and t.task_id = w.task_id and t.item_index = w.item_index`);
}

export function blockedItems(tx: SqlRunner, of: TaskRef, range: { from: number; to: number }): Promise<TaskRow[]> {
  return tx.query(sql<TaskRow>`select ${taskList} from tasks t where t.run_id = ${of.runId} and t.task_id = ${of.taskId}
    and t.item_index >= ${range.from} and t.item_index < ${range.to} and t.state = 'BLOCKED' order by t.item_index`);
}

export function edgesFrom(tx: SqlRunner, runId: string, parents: readonly string[]): Promise<Dependency[]> {
  return tx.query(sql<Dependency>`select e.parent_id as parent, e.child_id as child from edges e
    where e.run_id = ${runId} and e.parent_id in (select id from ${ids(tx, parents)} as wanted)`);
}

export function allEdges(tx: SqlRunner, runId: string): Promise<Dependency[]> {
  return tx.query(
    sql<Dependency>`select e.parent_id as parent, e.child_id as child from edges e where e.run_id = ${runId}`,
  );
}

export interface OpenTaskRow extends OpenTask {
  /** The nested run it waits for. */
  readonly nestedRunId: string | null;
}

export function openTasks(tx: SqlRunner, runId: string): Promise<OpenTaskRow[]> {
  return tx.query(sql<OpenTaskRow>`select t.task_id as id, t.item_index as "index", t.state,
    case when t.state = 'WAITING' and t.uses = 'run' then t.attempt_id end as "nestedRunId" from tasks t
    where t.run_id = ${runId} and t.state in ${openStates}`);
}

export async function insertTasks(tx: SqlRunner, rows: readonly TaskRow[]): Promise<void> {
  const properties = Object.keys(taskColumns) as (keyof TaskRow)[];
  const names = columnNames(taskColumns, properties);
  for (let at = 0; at < rows.length; at += insertBatch) {
    const batch = bulkOf(tx, taskColumns, rows.slice(at, at + insertBatch), properties);
    await tx.execute(sql`insert into tasks (${names}) select ${names} from ${batch} as r`);
  }
}

export async function saveTasks(tx: SqlRunner, rows: readonly TaskRow[]): Promise<void> {
  const properties = ['runId', 'taskId', 'itemIndex', ...mutableTaskColumns] as const;
  for (let at = 0; at < rows.length; at += insertBatch) {
    const batch = bulkOf(tx, taskColumns, rows.slice(at, at + insertBatch), properties);
    await tx.execute(sql`update tasks set ${assignments(taskColumns, mutableTaskColumns)} from ${batch} as r
      where tasks.run_id = r.run_id and tasks.task_id = r.task_id and tasks.item_index = r.item_index`);
  }
}

export async function saveRuns(tx: SqlRunner, rows: readonly RunRow[]): Promise<void> {
  if (rows.length === 0) return;
  const batch = bulkOf(tx, runColumns, rows, ['id', ...mutableRunColumns]);
  await tx.execute(
    sql`update runs set ${assignments(runColumns, mutableRunColumns)} from ${batch} as r where runs.id = r.id`,
  );
}

export interface NewHistoryEntry extends HistoryEntry {
  readonly runId: string;
  readonly sequence: number;
}

const historyColumns = {
  run_id: 'text',
  sequence: 'bigint',
  time: 'bigint',
  type: 'text',
  run_state: 'text',
  task_id: 'text',
  task_state: 'text',
  item_index: 'integer',
  attempt: 'integer',
  agent_id: 'text',
  error: 'text',
  data: 'text',
} as const;
const historyNames = sql.raw(Object.keys(historyColumns).join(', '));

export async function insertHistory(tx: SqlRunner, entries: readonly NewHistoryEntry[], now: number): Promise<void> {
  for (let at = 0; at < entries.length; at += insertBatch) {
    const rows = entries.slice(at, at + insertBatch).map((entry) => ({
      run_id: entry.runId,
      sequence: entry.sequence,
      time: now,
      type: entry.type,
      run_state: entry.runState ?? null,
      task_id: entry.taskId ?? null,
      task_state: entry.taskState ?? null,
      item_index: entry.itemIndex ?? null,
      attempt: entry.attempt ?? null,
      agent_id: entry.agentId ?? null,
      error: entry.error ?? null,
      data: entry.data ?? null,
    }));
    await tx.execute(
      sql`insert into run_events (${historyNames}) select ${historyNames} from ${bulk(tx.dialect, rows, historyColumns)} as r`,
    );
  }
}

export interface Ended extends TaskRef {
  readonly state: 'CANCELLED' | 'SKIPPED';
  readonly error: string;
}

/** Ends tasks that no agent's answer is awaited for, whatever their number. */
export async function endTasks(tx: SqlRunner, ended: readonly Ended[], now: number): Promise<void> {
  for (let at = 0; at < ended.length; at += insertBatch) {
    const rows = ended.slice(at, at + insertBatch).map(({ runId, taskId, itemIndex, state, error }) => ({
      run_id: runId,
      task_id: taskId,
      item_index: itemIndex,
      state,
      error,
    }));
    const batch = bulk(tx.dialect, rows, {
      run_id: 'text', task_id: 'text', item_index: 'integer', state: 'text', error: 'text',
    }); // prettier-ignore
    await tx.execute(sql`update tasks set state = r.state, error = r.error, finished_at = ${now}, due_at = null,
      lease_until = null, timeout_at = null, held_ms = null from ${batch} as r
      where tasks.run_id = r.run_id and tasks.task_id = r.task_id and tasks.item_index = r.item_index
      and tasks.state in ${openStates}`);
  }
}

/** What agents hold of one run, before it is cancelled. */
export function heldOfRun(tx: SqlRunner, runId: string): Promise<{ attemptId: string; agentId: string | null }[]> {
  return tx.query(sql<{
    attemptId: string;
    agentId: string | null;
  }>`select t.attempt_id as "attemptId", t.agent_id as "agentId"
    from tasks t where t.run_id = ${runId} and t.state in ${heldStates} and t.attempt_id is not null`);
}
