/** What the engine's memory is rebuilt from, and what is due: reads over the partial indexes, without locks. */
import { nowMillis, sql, type Database } from '@cogmesh/database';
import type { TaskRef } from './engine-tables.js';
import { readyEntry, type ReadyEntry, type TaskRow } from '../model/rows.js';
import { selectList, taskColumns } from './columns.js';
import { restartedLease } from './sql-leases.js';

/** An attempt that occupies a credit. */
export interface HeldAttempt {
  readonly attemptId: string;
  readonly runId: string;
  readonly state: 'CLAIMED' | 'PUBLISHED' | 'RUNNING';
  readonly agentId: string | null;
  readonly queue: string | null;
  readonly capability: string;
  readonly organisation: string;
  readonly uses: string;
  readonly concurrencyGroup: string | null;
}

/** Steps that a commit called for and a crash may have kept from happening. */
export interface Unsettled {
  readonly aggregate: readonly TaskRef[];
  readonly finalise: readonly string[];
  /** Nested runs that ended while their task waits. */
  readonly answered: readonly string[];
  /** Unfinished nested runs that no task waits for. */
  readonly orphaned: readonly string[];
}

export interface Due {
  readonly tasks: readonly (TaskRef & { readonly state: string })[];
  readonly runs: readonly string[];
  /** Milliseconds until the next one, or undefined when nothing waits. */
  readonly nextInMs: number | undefined;
}

export const readyColumns = [
  'runId', 'taskId', 'itemIndex', 'organisation', 'uses', 'affinity', 'concurrencyGroup', 'priority', 'readyAt', 'control',
] as const satisfies readonly (keyof TaskRow)[]; // prettier-ignore

export class SqlWorkQueue {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async ready(): Promise<ReadyEntry[]> {
    const columns = selectList(taskColumns, 't', readyColumns);
    return (
      await this.#db.query(sql<TaskRow>`select ${columns} from tasks t
      join runs r on r.id = t.run_id where t.state = 'READY' and r.state <> 'PAUSED'`)
    ).map(readyEntry);
  }

  held(): Promise<HeldAttempt[]> {
    return this.#db.query(sql<HeldAttempt>`select t.attempt_id as "attemptId", t.run_id as "runId", t.state,
      t.agent_id as "agentId", t.queue, t.capability, t.organisation, t.uses,
      t.concurrency_group as "concurrencyGroup" from tasks t
      where t.state in ('CLAIMED', 'PUBLISHED', 'RUNNING') and t.attempt_id is not null`);
  }

  /** Unfinished tasks by organisation. */
  openTasks(): Promise<{ organisation: string; open: number }[]> {
    return this.#db.query(sql<{ organisation: string; open: number }>`select r.organisation, sum(r.open_tasks) as open
      from runs r where r.state in ('PENDING', 'RUNNING', 'PAUSED', 'CANCELLING') group by r.organisation`);
  }

  /** forEach tasks whose items all ended, and unfinished runs without open tasks. */
  async unsettled(): Promise<Unsettled> {
    const aggregate = await this.#db.query(sql<TaskRef>`select t.run_id as "runId", t.task_id as "taskId",
      t.item_index as "itemIndex" from tasks t where t.state = 'RUNNING' and t.item_index = -1 and t.attempt_id is null
      and t.items_succeeded + t.items_failed = t.items_total`);
    const finalise = await this.#db.query(sql<{ id: string }>`select r.id from runs r
      where r.state in ('PENDING', 'RUNNING', 'PAUSED', 'CANCELLING') and r.open_tasks = 0`);
    const idsOf = (rows: readonly { readonly id: string }[]): string[] => rows.map((row) => row.id);
    return {
      aggregate,
      finalise: idsOf(finalise),
      answered: idsOf(await this.#answered()),
      orphaned: idsOf(await this.#orphaned()),
    };
  }

  #answered(): Promise<{ id: string }[]> {
    return this.#db.query(sql<{ id: string }>`select r.id from tasks t join runs r on r.id = t.attempt_id
      where t.state = 'WAITING' and t.uses = 'run' and r.state in ('SUCCEEDED', 'FAILED', 'CANCELLED')`);
  }

  #orphaned(): Promise<{ id: string }[]> {
    return this.#db.query(sql<{ id: string }>`select r.id from runs r
      where r.state in ('PENDING', 'RUNNING', 'PAUSED', 'CANCELLING') and r.parent_run_id is not null
      and not exists (select 1 from tasks t where t.run_id = r.parent_run_id and t.task_id = r.parent_task_id
        and t.item_index = r.parent_item_index and t.state = 'WAITING' and t.attempt_id = r.id)`);
  }

  async due(limit: number): Promise<Due> {
    const tasks = await this.#db.query(sql<
      TaskRef & { state: string }
    >`select t.run_id as "runId", t.task_id as "taskId",
      t.item_index as "itemIndex", t.state from tasks t
      where t.due_at is not null and t.due_at <= ${nowMillis} order by t.due_at limit ${limit}`);
    const runs = await this.#db.query(sql<{ id: string }>`select r.id from runs r
      where r.due_at is not null and r.due_at <= ${nowMillis} order by r.due_at limit ${limit}`);
    const [next] = await this.#db.query(sql<{ at: number | null; now: number }>`select
      (select min(due_at) from (select min(t.due_at) as due_at from tasks t where t.due_at is not null
        union all select min(r.due_at) from runs r where r.due_at is not null) as soonest) as at, ${nowMillis} as now`);
    const nextInMs = next?.at == null ? undefined : Math.max(0, next.at - next.now);
    return { tasks, runs: runs.map((run) => run.id), nextInMs };
  }

  /** After time in which renewals could not arrive, every lease starts again: the silence was ours. */
  async restartLeases(leaseMs: number): Promise<number> {
    return this.#db.execute(sql`update tasks set ${restartedLease(leaseMs)}
      where state = 'RUNNING' and lease_until is not null`);
  }
}
