/**
 * Each table's columns once: property, column, bulk type. Select lists, bulk inserts and bulk updates are made from here, so
 * a column cannot be read and forgotten to be written.
 */
import { bulkLists, sql, type BulkType, type SqlRunner, type Statement } from '@cogmesh/database';
import type { RunRow, TaskRow } from '@cogmesh/scheduling-core';

export type Columns<Row> = { readonly [Property in keyof Row]: readonly [column: string, type: BulkType] };

export const runColumns: Columns<RunRow> = {
  id: ['id', 'text'],
  organisation: ['organisation', 'text'],
  shard: ['shard', 'integer'],
  name: ['name', 'text'],
  priority: ['priority', 'integer'],
  labels: ['labels', 'text'],
  input: ['input', 'text'],
  outputTemplate: ['output_template', 'text'],
  submittedBy: ['submitted_by', 'text'],
  submitter: ['submitter', 'text'],
  traceparent: ['traceparent', 'text'],
  createdAt: ['created_at', 'bigint'],
  taskCount: ['task_count', 'integer'],
  state: ['state', 'text'],
  startedAt: ['started_at', 'bigint'],
  finishedAt: ['finished_at', 'bigint'],
  dueAt: ['due_at', 'bigint'],
  error: ['error', 'text'],
  output: ['output', 'text'],
  sequence: ['sequence', 'bigint'],
  openTasks: ['open_tasks', 'integer'],
  totalTasks: ['total_tasks', 'integer'],
  scheduleId: ['schedule_id', 'text'],
  originRunId: ['origin_run_id', 'text'],
  parentRunId: ['parent_run_id', 'text'],
  parentTaskId: ['parent_task_id', 'text'],
  parentItemIndex: ['parent_item_index', 'integer'],
  rootRunId: ['root_run_id', 'text'],
  failure: ['failure', 'text'],
};

/** A run with what only its submission knows. */
export interface BornRun extends RunRow {
  readonly callerTraceparent: string;
  readonly idempotencyKey: string | null;
  readonly requestSha256: string;
  readonly deadlineMs: number | null;
}

export const bornRunColumns: Columns<BornRun> = {
  ...runColumns,
  callerTraceparent: ['caller_traceparent', 'text'],
  idempotencyKey: ['idempotency_key', 'text'],
  requestSha256: ['request_sha256', 'text'],
  deadlineMs: ['deadline_ms', 'bigint'],
};

export const mutableRunColumns = [
  'state', 'startedAt', 'finishedAt', 'dueAt', 'error', 'output', 'sequence', 'openTasks', 'totalTasks',
  'priority', 'failure',
] as const satisfies readonly (keyof RunRow)[]; // prettier-ignore

export const taskColumns: Columns<TaskRow> = {
  runId: ['run_id', 'text'],
  taskId: ['task_id', 'text'],
  itemIndex: ['item_index', 'integer'],
  position: ['position', 'integer'],
  organisation: ['organisation', 'text'],
  shard: ['shard', 'integer'],
  uses: ['uses', 'text'],
  priority: ['priority', 'integer'],
  rank: ['rank', 'bigint'],
  concurrencyGroup: ['concurrency_group', 'text'],
  affinity: ['affinity', 'text'],
  plan: ['plan', 'text'],
  item: ['item', 'text'],
  control: ['control', 'integer'],
  state: ['state', 'text'],
  pending: ['pending', 'integer'],
  capability: ['capability', 'text'],
  attempt: ['attempt', 'integer'],
  attemptId: ['attempt_id', 'text'],
  agentId: ['agent_id', 'text'],
  queue: ['queue', 'text'],
  dueAt: ['due_at', 'bigint'],
  leaseUntil: ['lease_until', 'bigint'],
  timeoutAt: ['timeout_at', 'bigint'],
  readyAt: ['ready_at', 'bigint'],
  claimedAt: ['claimed_at', 'bigint'],
  startedAt: ['started_at', 'bigint'],
  finishedAt: ['finished_at', 'bigint'],
  output: ['output', 'text'],
  outputBytes: ['output_bytes', 'bigint'],
  error: ['error', 'text'],
  itemsTotal: ['items_total', 'integer'],
  itemsSucceeded: ['items_succeeded', 'integer'],
  itemsFailed: ['items_failed', 'integer'],
  itemsReleased: ['items_released', 'integer'],
  traceparent: ['traceparent', 'text'],
  heldMs: ['held_ms', 'bigint'],
  leaseMs: ['lease_ms', 'bigint'],
  losses: ['losses', 'integer'],
  approvals: ['approvals', 'text'],
  ownPriority: ['own_priority', 'integer'],
};

export const mutableTaskColumns = [
  'state', 'pending', 'capability', 'attempt', 'attemptId', 'agentId', 'queue', 'dueAt', 'leaseUntil', 'timeoutAt',
  'readyAt', 'claimedAt', 'startedAt', 'finishedAt', 'output', 'outputBytes', 'error', 'itemsTotal', 'itemsSucceeded',
  'itemsFailed', 'itemsReleased', 'traceparent', 'heldMs', 'leaseMs', 'losses', 'approvals', 'priority', 'rank',
  'ownPriority',
] as const satisfies readonly (keyof TaskRow)[]; // prettier-ignore

/** `t.run_id as "runId", …` of some or all columns. */
export function selectList<Row>(columns: Columns<Row>, alias: string, only?: readonly (keyof Row)[]): Statement {
  const properties = only ?? (Object.keys(columns) as (keyof Row)[]);
  return sql.raw(properties.map((property) => `${alias}.${columns[property][0]} as "${String(property)}"`).join(', '));
}

/** Some columns of a table, as a bulk parameter knows them and as statements name them. Made once, used by every flush. */
export class ColumnSet<Row> {
  readonly #properties: readonly (keyof Row)[];
  readonly #types: Readonly<Record<string, BulkType>>;
  /** `a, b, …` */
  readonly names: Statement;

  constructor(columns: Columns<Row>, properties: readonly (keyof Row)[] = Object.keys(columns) as (keyof Row)[]) {
    this.#properties = properties;
    this.#types = Object.fromEntries(properties.map((property) => columns[property]));
    this.names = columnNames(columns, properties);
  }

  /** Rows as a bulk parameter whose columns carry the table's names. */
  of(dialect: SqlRunner['dialect'], rows: readonly Row[]): Statement {
    const cells = rows.map((row) => this.#properties.map((property) => row[property]));
    try {
      return bulkLists(dialect, cells, this.#types);
    } catch {
      return bulkLists(dialect, cells.map((row) => row.map(storable)), this.#types); // prettier-ignore
    }
  }
}

/** Text of agents and callers may hold what no database can; a flush must not fail for one of its rows. */
function storable(value: unknown): unknown {
  return typeof value === 'string' ? value.toWellFormed().replaceAll('\0', '\ufffd') : value;
}

/** What a task that nobody has touched may differ in; all else is null or 0. */
export const bornTaskColumns = [
  'runId', 'taskId', 'itemIndex', 'position', 'organisation', 'shard', 'uses', 'priority', 'ownPriority',
  'concurrencyGroup', 'affinity', 'plan', 'item', 'control', 'state', 'pending', 'rank', 'readyAt', 'dueAt',
] as const satisfies readonly (keyof TaskRow)[]; // prettier-ignore

/** Of the others, those that count. */
export const countedTaskColumns = [
  'attempt', 'outputBytes', 'itemsTotal', 'itemsSucceeded', 'itemsFailed', 'itemsReleased', 'losses',
] as const satisfies readonly (keyof TaskRow)[]; // prettier-ignore

export const allTaskColumns = Object.keys(taskColumns) as readonly (keyof TaskRow)[];

/** `state = r.state, …` for UPDATE … FROM. */
export function assignments<Row>(columns: Columns<Row>, properties: readonly (keyof Row)[]): Statement {
  return sql.raw(properties.map((property) => `${columns[property][0]} = r.${columns[property][0]}`).join(', '));
}

/** `(a, b, …)` names of some columns. */
export function columnNames<Row>(columns: Columns<Row>, properties: readonly (keyof Row)[]): Statement {
  return sql.raw(properties.map((property) => columns[property][0]).join(', '));
}
