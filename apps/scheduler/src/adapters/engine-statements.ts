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
  ColumnSet,
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

const bornRuns = new ColumnSet(bornRunColumns);

/** With their labels; their tasks and history are not part of it. */
export function insertRuns(dialect: Dialect, born: readonly NewRun[]): Statement[] {
  const runs = inBatches(born.map(bornRun), (batch) => {
    return sql`insert into runs (${bornRuns.names}) select ${bornRuns.names} from ${bornRuns.of(dialect, batch)} as r`;
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

const allOfTasks = new ColumnSet(taskColumns);
const bornTasks = new ColumnSet(taskColumns, bornTaskColumns);
const countedNames = columnNames(taskColumns, countedTaskColumns);
const zeros = sql.raw(countedTaskColumns.map(() => '0').join(', '));

/** Most new tasks are untouched and need half of the columns. */
export function insertTasks(dialect: Dialect, tasks: readonly TaskRow[]): Statement[] {
  const { untouched = [], touched = [] } = Object.groupBy(tasks, (task) =>
    isUntouched(task) ? 'untouched' : 'touched',
  );
  return [
    ...inBatches(untouched, (batch) => {
      const rows = bornTasks.of(dialect, batch);
      return sql`insert into tasks (${bornTasks.names}, ${countedNames}) select ${bornTasks.names}, ${zeros} from ${rows} as r`;
    }),
    ...inBatches(touched, (batch) => {
      const rows = allOfTasks.of(dialect, batch);
      return sql`insert into tasks (${allOfTasks.names}) select ${allOfTasks.names} from ${rows} as r`;
    }),
  ];
}

const changedTasks = new ColumnSet(taskColumns, ['runId', 'taskId', 'itemIndex', ...mutableTaskColumns]);
const taskAssignments = assignments(
  taskColumns,
  mutableTaskColumns.filter((property) => property !== 'output'),
);

/** An output that memory does not have stays as it is. */
export function updateTasks(dialect: Dialect, tasks: readonly TaskRow[]): Statement[] {
  return inBatches(
    tasks,
    (batch) => sql`update tasks set ${taskAssignments}, output = coalesce(r.output, tasks.output)
      from ${changedTasks.of(dialect, batch)} as r
      where tasks.run_id = r.run_id and tasks.task_id = r.task_id and tasks.item_index = r.item_index`,
  );
}

const changedRuns = new ColumnSet(runColumns, ['id', ...mutableRunColumns]);
const runAssignments = assignments(runColumns, mutableRunColumns);

export function updateRuns(dialect: Dialect, runs: readonly RunRow[]): Statement[] {
  return inBatches(
    runs,
    (batch) => sql`update runs set ${runAssignments} from ${changedRuns.of(dialect, batch)} as r where runs.id = r.id`,
  );
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
const toldHistory = new ColumnSet<HistoryRow>(historyColumns);

export function insertHistory(dialect: Dialect, entries: readonly NewHistoryEntry[], now: number): Statement[] {
  return inBatches(entries, (batch) => {
    const rows = toldHistory.of(
      dialect,
      batch.map((entry) => ({ ...noDetails, ...entry, time: now })),
    );
    return sql`insert into run_events (${toldHistory.names}) select ${toldHistory.names} from ${rows} as r`;
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
