/** Reads for callers. Every question names the organisation, so that another's run is simply not found. */
import { oneOf, sql, type Database, type Statement } from '@cogmesh/database';
import type {
  RunRow,
  RunState,
  StoredHistoryEntry,
  TaskPlan,
  TaskRef,
  TaskRow,
  TaskState,
} from '@cogmesh/scheduling-core';
import { allTaskColumns, runColumns, selectList, taskColumns } from './columns.js';
import { historySlackMs } from './history-days.js';

const runList = selectList(runColumns, 'r');

export interface RunsPage {
  readonly organisation: string;
  readonly state?: RunState | undefined;
  /** Every one must match. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Created at or after, milliseconds since the epoch. */
  readonly createdAfter?: number | undefined;
  readonly createdBefore?: number | undefined;
  readonly scheduleId?: string | undefined;
  readonly limit: number;
  /** The last id of the page before. */
  readonly before?: string | undefined;
}

/** A task without its plan, inputs and outputs. */
export type TaskView = Omit<TaskRow, 'plan' | 'item' | 'output'>;

const viewColumns = allTaskColumns.filter((column) => column !== 'plan' && column !== 'item' && column !== 'output');

export class SqlRunViews {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async run(runId: string, organisation: string): Promise<RunRow | undefined> {
    const [row] = await this.#db.query(
      sql<RunRow>`select ${runList} from runs r where r.id = ${runId} and r.organisation = ${organisation}`,
    );
    return row;
  }

  /** Of runs that exist, whoever's they are. */
  async shardsOf(runIds: readonly string[]): Promise<Map<string, number>> {
    const rows = await this.#db.query(sql<{ id: string; shard: number }>`select r.id, r.shard from runs r
      where r.id ${oneOf(runIds, 'text')}`);
    return new Map(rows.map(({ id, shard }) => [id, shard]));
  }

  /** Newest first. */
  runs({ organisation, limit, before, ...filter }: RunsPage): Promise<RunRow[]> {
    const older = before === undefined ? sql`` : sql`and r.id < ${before}`;
    return this.#db.query(sql<RunRow>`select ${runList} from runs r where r.organisation = ${organisation}
      ${filtered(organisation, filter)} ${older} order by r.id desc limit ${limit}`);
  }

  /** The document's own tasks, in its order. */
  tasks(runId: string): Promise<TaskView[]> {
    return this.#db.query(sql<TaskView>`select ${selectList(taskColumns, 't', viewColumns)} from tasks t
      where t.run_id = ${runId} and t.item_index = -1 order by t.position`);
  }

  async task({ runId, taskId, itemIndex }: TaskRef): Promise<TaskView | undefined> {
    const [row] = await this.#db.query(sql<TaskView>`select ${selectList(taskColumns, 't', viewColumns)} from tasks t
      where t.run_id = ${runId} and t.task_id = ${taskId} and t.item_index = ${itemIndex}`);
    return row;
  }

  /** Unfinished parents of one task. */
  async unmetOf(runId: string, taskId: string): Promise<string[]> {
    const [task] = await this.#db.query(sql<{ plan: string }>`select t.plan from tasks t
      where t.run_id = ${runId} and t.task_id = ${taskId} and t.item_index = -1`);
    if (!task) return [];
    const { depends } = JSON.parse(task.plan) as TaskPlan;
    const rows = await this.#db.query(sql<{ parent: string }>`select t.task_id as parent from tasks t
      where t.run_id = ${runId} and t.task_id ${oneOf(depends, 'text')} and t.item_index = -1
        and t.state not in ('SUCCEEDED', 'SKIPPED', 'FAILED', 'CANCELLED') order by t.position`);
    return rows.map(({ parent }) => parent);
  }

  /** Open items of one forEach task, by state. */
  async openItemsOf(runId: string, taskId: string): Promise<Record<string, number>> {
    const rows = await this.#db.query(sql<{ state: string; count: number }>`select t.state, count(*) as count
      from tasks t where t.run_id = ${runId} and t.task_id = ${taskId} and t.item_index >= 0
      and t.state in ('BLOCKED', 'READY', 'CLAIMED', 'PUBLISHED', 'RUNNING', 'RETRY_WAIT') group by t.state`);
    return Object.fromEntries(rows.map(({ state, count }) => [state, count]));
  }

  /** Who waits for whom, with the parent's state. */
  async dependencies(runId: string): Promise<{ parent: string; child: string; state: TaskState }[]> {
    const rows = await this.#db.query(sql<{
      id: string;
      plan: string;
      state: TaskState;
    }>`select t.task_id as id, t.plan,
      t.state from tasks t where t.run_id = ${runId} and t.item_index = -1 order by t.position`);
    const states = new Map(rows.map(({ id, state }) => [id, state]));
    return rows.flatMap(({ id: child, plan }) =>
      (JSON.parse(plan) as TaskPlan).depends.flatMap((parent) => {
        const state = states.get(parent);
        return state === undefined ? [] : [{ parent, child, state }];
      }),
    );
  }

  /** How many items of each forEach task are ready, and how many held. */
  openItems(runId: string): Promise<{ taskId: string; state: string; count: number }[]> {
    return this.#db.query(sql<{ taskId: string; state: string; count: number }>`select t.task_id as "taskId", t.state,
      count(*) as count from tasks t where t.run_id = ${runId} and t.item_index >= 0
      and t.state in ('BLOCKED', 'READY', 'CLAIMED', 'PUBLISHED', 'RUNNING', 'RETRY_WAIT') group by t.task_id, t.state`);
  }

  async output(runId: string, taskId: string, itemIndex: number): Promise<{ output: string | null } | undefined> {
    const [row] = await this.#db.query(sql<{ output: string | null }>`select t.output from tasks t
      where t.run_id = ${runId} and t.task_id = ${taskId} and t.item_index = ${itemIndex}`);
    return row;
  }

  async history(runId: string, after: number, limit: number): Promise<StoredHistoryEntry[]> {
    return this.#db.query(historyQuery({ runId, after, limit, days: await this.#daysOf(runId) }));
  }

  /** Where history is kept by the day, those that the run did not see are not looked into: as values, not as a question. */
  async #daysOf(runId: string): Promise<Statement> {
    if (this.#db.dialect === 'sqlite') return sql``;
    const [run] = await this.#db.query(sql<{ from: number; to: number | null }>`select r.created_at as "from",
      r.finished_at as "to" from runs r where r.id = ${runId}`);
    if (!run) return sql``;
    const to = run.to === null ? Number.MAX_SAFE_INTEGER : run.to + historySlackMs;
    return sql`and e.time >= ${run.from - historySlackMs} and e.time <= ${to}`;
  }
}

interface HistoryPage {
  readonly runId: string;
  readonly after: number;
  readonly limit: number;
  readonly days: Statement;
}

function historyQuery({ runId, after, limit, days }: HistoryPage): Statement<StoredHistoryEntry> {
  return sql<StoredHistoryEntry>`select e.sequence, e.time, e.type, e.run_state as "runState", e.task_id as "taskId",
    e.task_state as "taskState", e.item_index as "itemIndex", e.attempt, e.agent_id as "agentId", e.error, e.data
    from run_events e where e.run_id = ${runId} and e.sequence > ${after} ${days}
    order by e.sequence limit ${limit}`;
}

function filtered(
  organisation: string,
  { state, labels = {}, createdAfter, createdBefore, scheduleId }: Omit<RunsPage, 'organisation' | 'limit' | 'before'>,
): Statement {
  const conditions = [
    ...(state === undefined ? [] : [sql`and r.state = ${state}`]),
    ...(createdAfter === undefined ? [] : [sql`and r.created_at >= ${createdAfter}`]),
    ...(createdBefore === undefined ? [] : [sql`and r.created_at < ${createdBefore}`]),
    ...(scheduleId === undefined ? [] : [sql`and r.schedule_id = ${scheduleId}`]),
    ...Object.entries(labels).map(
      ([name, value]) => sql`and r.id in (select l.run_id from run_labels l
        where l.organisation = ${organisation} and l.name = ${name} and l.value = ${value})`,
    ),
  ];
  return sql.join(conditions, sql` `);
}
