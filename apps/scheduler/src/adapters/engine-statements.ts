/**
 * What a flush or a submission writes, as statements that need no answers of each other: the caller sends them together.
 * They are made whole before anybody waits, since the rows they are made from go on changing.
 */
import { bulk, failUnless, sql, type SqlRunner, type Statement } from '@cogmesh/database';
import type { NewHistoryEntry, NewRun, Ownership, RunRow, TaskRow } from '@cogmesh/scheduling-core';
import {
  allTaskColumns,
  assignments,
  bornRunColumns,
  bornTaskColumns,
  bulkOf,
  columnNames,
  countedTaskColumns,
  mutableRunColumns,
  mutableTaskColumns,
  runColumns,
  taskColumns,
  type BornRun,
} from './columns.js';

type Dialect = SqlRunner['dialect'];

/** Rows written by one statement; bounds the size of its parameters. */
const batchRows = 2_000;

function inBatches<Row>(rows: readonly Row[], statementOf: (batch: readonly Row[]) => Statement): Statement[] {
  const statements: Statement[] = [];
  for (let at = 0; at < rows.length; at += batchRows) statements.push(statementOf(rows.slice(at, at + batchRows)));
  return statements;
}

/**
 * Fails (`failed_precondition`) unless each shard's epoch is the given one, and keeps it so until the transaction ends. A
 * shard that nobody ever took has epoch 0.
 */
export function fence(dialect: Dialect, shards: Ownership): Statement {
  const rows = [...shards].sort(([a], [b]) => a - b).map(([shard, epoch]) => ({ shard, epoch }));
  const wanted = bulk(dialect, rows, { shard: 'integer', epoch: 'bigint' });
  const lock = dialect === 'postgres' ? sql`for share of s` : sql``;
  const mustExist = rows.filter(({ epoch }) => epoch !== 0).length;
  const holds = sql`count(*) filter (where epoch <> wanted) = 0 and count(*) filter (where wanted <> 0) = ${mustExist}`;
  return sql`select ${failUnless(holds)} from (select s.epoch, w.epoch as wanted from scheduler_shards s
    join ${wanted} as w on w.shard = s.shard order by s.shard ${lock}) as held`;
}

/** With their labels; their tasks and history are not part of it. */
export function insertRuns(dialect: Dialect, born: readonly NewRun[]): Statement[] {
  const properties = Object.keys(bornRunColumns) as (keyof BornRun)[];
  const names = columnNames(bornRunColumns, properties);
  const runs = inBatches(born.map(bornRun), (batch) => {
    return sql`insert into runs (${names}) select ${names} from ${bulkOf(dialect, bornRunColumns, batch, properties)} as r`;
  });
  return [...runs, ...insertLabels(dialect, born)];
}

/** What the engine never reads of it is stored all the same. */
function bornRun({ run, submission }: NewRun): BornRun {
  const { callerTraceparent, idempotencyKey, requestSha256, plan } = submission;
  return {
    ...run,
    callerTraceparent,
    idempotencyKey: idempotencyKey === '' ? null : idempotencyKey,
    requestSha256,
    deadlineMs: plan.deadlineMs ?? null,
  };
}

function insertLabels(dialect: Dialect, born: readonly NewRun[]): Statement[] {
  const labels = born.flatMap(({ run, submission }) =>
    Object.entries(submission.plan.labels).map(([name, value]) => {
      return { organisation: run.organisation, name, value, run_id: run.id };
    }),
  );
  return inBatches(labels, (batch) => {
    const rows = bulk(dialect, batch, { organisation: 'text', name: 'text', value: 'text', run_id: 'text' });
    return sql`insert into run_labels (organisation, name, value, run_id)
      select r.organisation, r.name, r.value, r.run_id from ${rows} as r`;
  });
}

const isCounted = new Set<keyof TaskRow>(countedTaskColumns);
const isBorn = new Set<keyof TaskRow>(bornTaskColumns);
const untouchedColumns = allTaskColumns.filter((property) => !isBorn.has(property));

/** Nothing has happened to it since it was made. */
const isUntouched = (task: TaskRow): boolean =>
  untouchedColumns.every((property) => task[property] === (isCounted.has(property) ? 0 : null));

/** Most new tasks are untouched and need half of the columns. */
export function insertTasks(dialect: Dialect, tasks: readonly TaskRow[]): Statement[] {
  const { untouched = [], touched = [] } = Object.groupBy(tasks, (task) =>
    isUntouched(task) ? 'untouched' : 'touched',
  );
  const all = columnNames(taskColumns, allTaskColumns);
  const born = columnNames(taskColumns, bornTaskColumns);
  const counted = columnNames(taskColumns, countedTaskColumns);
  const zeros = sql.raw(countedTaskColumns.map(() => '0').join(', '));
  return [
    ...inBatches(untouched, (batch) => {
      const rows = bulkOf(dialect, taskColumns, batch, bornTaskColumns);
      return sql`insert into tasks (${born}, ${counted}) select ${born}, ${zeros} from ${rows} as r`;
    }),
    ...inBatches(touched, (batch) => {
      const rows = bulkOf(dialect, taskColumns, batch, allTaskColumns);
      return sql`insert into tasks (${all}) select ${all} from ${rows} as r`;
    }),
  ];
}

const updatedTaskColumns = mutableTaskColumns.filter((property) => property !== 'output');

/** An output that memory does not have stays as it is. */
export function updateTasks(dialect: Dialect, tasks: readonly TaskRow[]): Statement[] {
  return inBatches(tasks, (batch) => {
    const rows = bulkOf(dialect, taskColumns, batch, ['runId', 'taskId', 'itemIndex', ...mutableTaskColumns]);
    return sql`update tasks set ${assignments(taskColumns, updatedTaskColumns)}, output = coalesce(r.output, tasks.output)
      from ${rows} as r
      where tasks.run_id = r.run_id and tasks.task_id = r.task_id and tasks.item_index = r.item_index`;
  });
}

export function updateRuns(dialect: Dialect, runs: readonly RunRow[]): Statement[] {
  return inBatches(runs, (batch) => {
    const rows = bulkOf(dialect, runColumns, batch, ['id', ...mutableRunColumns]);
    return sql`update runs set ${assignments(runColumns, mutableRunColumns)} from ${rows} as r where runs.id = r.id`;
  });
}

interface HistoryRow {
  readonly runId: string;
  readonly sequence: number;
  readonly time: number;
  readonly type: string;
  readonly runState: string | undefined;
  readonly taskId: string | undefined;
  readonly taskState: string | undefined;
  readonly itemIndex: number | undefined;
  readonly attempt: number | undefined;
  readonly agentId: string | null | undefined;
  readonly error: string | null | undefined;
  readonly data: string | undefined;
}

const historyColumns = {
  runId: ['run_id', 'text'],
  sequence: ['sequence', 'bigint'],
  time: ['time', 'bigint'],
  type: ['type', 'text'],
  runState: ['run_state', 'text'],
  taskId: ['task_id', 'text'],
  taskState: ['task_state', 'text'],
  itemIndex: ['item_index', 'integer'],
  attempt: ['attempt', 'integer'],
  agentId: ['agent_id', 'text'],
  error: ['error', 'text'],
  data: ['data', 'text'],
} as const;
const historyProperties = Object.keys(historyColumns) as (keyof HistoryRow)[];

export function insertHistory(dialect: Dialect, entries: readonly NewHistoryEntry[], now: number): Statement[] {
  const names = columnNames<HistoryRow>(historyColumns, historyProperties);
  return inBatches(entries, (batch) => {
    const told = batch.map((entry) => ({ ...noDetails, ...entry, time: now }));
    const rows = bulkOf<HistoryRow>(dialect, historyColumns, told, historyProperties);
    return sql`insert into run_events (${names}) select ${names} from ${rows} as r`;
  });
}

const noDetails = {
  runState: undefined,
  taskId: undefined,
  taskState: undefined,
  itemIndex: undefined,
  attempt: undefined,
  agentId: undefined,
  error: undefined,
  data: undefined,
};
