/**
 * The engine's store over SQL. A flush is one message to the database: everything is written down before the first wait, the
 * epochs of the shards it touches are looked at first and kept until it is committed. Reads take no locks.
 */
import { bulk, oneOf, sql, type Database, type Statement } from '@cogmesh/database';
import { CogmeshError, toCogmeshError } from '@cogmesh/errors';
import {
  readyEntry,
  type EngineStore,
  type Flush,
  type Ownership,
  type Flushed,
  type LanePage,
  type LoadedRun,
  type ReadyEntry,
  type RunRow,
  type Snapshot,
  type TaskRef,
  type TaskRow,
} from '@cogmesh/scheduling-core';
import { allTaskColumns, runColumns, selectList, taskColumns } from './columns.js';
import { fence, insertHistory, insertRuns, insertTasks, updateRuns, updateTasks } from './engine-statements.js';
import { readSnapshot } from './engine-snapshot.js';
import { removeAdoptions, waitingRuns } from '../replicas/sql-commands.js';
import { recordDeliveries } from './webhook-outbox.js';

const loadedColumns = allTaskColumns.filter((property) => property !== 'item' && property !== 'output');
const readyColumns = [
  'runId', 'taskId', 'itemIndex', 'organisation', 'shard', 'uses', 'affinity', 'concurrencyGroup', 'priority', 'rank',
  'readyAt', 'control',
] as const satisfies readonly (keyof TaskRow)[]; // prettier-ignore

const waitingStates = sql.raw(`('READY', 'RETRY_WAIT', 'WAITING')`);

export class SqlEngineStore implements EngineStore {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  snapshot(shards: readonly number[], { brief = false } = {}): Promise<Snapshot> {
    return readSnapshot(this.#db, shards, brief);
  }

  async load(runIds: readonly string[]): Promise<LoadedRun[]> {
    if (runIds.length === 0) return [];
    const [runs, tasks] = await Promise.all([
      this.#db.query(sql<RunRow & { waiting: number }>`select ${selectList(runColumns, 'r')},
        case when r.id in (${waitingRuns}) then 1 else 0 end as waiting
        from runs r where r.id ${oneOf(runIds, 'text')}`),
      this.#db.query(sql<TaskRow>`select ${selectList(taskColumns, 't', loadedColumns)} from tasks t
        where t.run_id ${oneOf(runIds, 'text')} order by t.position, t.item_index`),
    ]);
    const byRun = Map.groupBy(tasks, ({ runId }) => runId);
    return runs.map(({ waiting, ...run }) => {
      return { run, tasks: (byRun.get(run.id) ?? []).map(withoutPayload), isWaiting: waiting === 1 };
    });
  }

  payloads(refs: readonly TaskRef[]): Promise<(TaskRef & Pick<TaskRow, 'item' | 'output'>)[]> {
    const rows = refs.map(({ runId, taskId, itemIndex }) => ({
      run_id: runId,
      task_id: taskId,
      item_index: itemIndex,
    }));
    const wanted = bulk(this.#db.dialect, rows, { run_id: 'text', task_id: 'text', item_index: 'integer' });
    return this.#db.query(sql<TaskRef & Pick<TaskRow, 'item' | 'output'>>`select
      ${selectList(taskColumns, 't', ['runId', 'taskId', 'itemIndex', 'item', 'output'])} from ${wanted} as w
      join tasks t on t.run_id = w.run_id and t.task_id = w.task_id and t.item_index = w.item_index`);
  }

  async itemOutputs(runId: string, taskId: string): Promise<(string | null)[]> {
    const rows = await this.#db.query(sql<{ output: string | null }>`select t.output from tasks t
      where t.run_id = ${runId} and t.task_id = ${taskId} and t.item_index >= 0 order by t.item_index`);
    return rows.map(({ output }) => output);
  }

  async flush(flush: Flush): Promise<Flushed> {
    const { statements, deliveries } = this.#statementsOf(flush);
    if (statements.length === 0) return { deliveries: 0 };
    try {
      const changed = await this.#db.batch([this.#fence(flush), ...statements], { independent: true });
      return { deliveries: deliveries === undefined ? 0 : (changed[deliveries + 1] ?? 0) };
    } catch (thrown) {
      throw toCogmeshError(thrown).code === 'failed_precondition' ? await this.#whyRefused(flush, thrown) : thrown;
    }
  }

  async verify(owned: Ownership): Promise<void> {
    if (owned.size === 0) return;
    try {
      await this.#db.batch([fence(this.#db.dialect, owned)]);
    } catch (thrown) {
      throw toCogmeshError(thrown).code === 'failed_precondition' ? await this.#whyRefused({ owned }, thrown) : thrown;
    }
  }

  /** In the same order in every flush; `deliveries` says which of them makes notifications. */
  #statementsOf({ now, newRuns, newTasks, tasks, runs, history, moves, takenOn }: Flush) {
    const { dialect } = this.#db;
    const statements = [
      ...insertRuns(dialect, newRuns),
      ...insertTasks(dialect, newTasks),
      ...updateTasks(dialect, tasks),
      ...updateRuns(dialect, runs),
      ...insertHistory(dialect, history, now),
      ...removeAdoptions(takenOn.map(({ id }) => id)),
    ];
    const told = recordDeliveries(dialect, moves, now);
    if (!told) return { statements, deliveries: undefined };
    return { statements: [...statements, told], deliveries: statements.length };
  }

  /** Of the shards that the flush touches; one that is not owned cannot be right. */
  #fence({ owned, newRuns, newTasks, tasks, runs, takenOn }: Flush): Statement {
    const touched = new Set(
      [...newRuns.map(({ run }) => run), ...newTasks, ...tasks, ...runs, ...takenOn].map(({ shard }) => shard),
    );
    return fence(this.#db.dialect, new Map([...touched].map((shard) => [shard, owned.get(shard) ?? -1])));
  }

  async ready(shards: readonly number[], page: LanePage): Promise<ReadyEntry[]> {
    const { organisation, uses, affinity, concurrencyGroup, control, after, limit } = page;
    // The whole order is the index's: what is null is not known to be one value.
    const place = sql.raw('t.rank, t.run_id, t.task_id, t.item_index');
    const behind = after
      ? sql`and (${place}) > (${after.rank}, ${after.runId}, ${after.taskId}, ${after.itemIndex})`
      : sql``;
    const rows = await this.#db.query(sql<TaskRow>`select ${selectList(taskColumns, 't', readyColumns)} from tasks t
      where t.state = 'READY' and t.organisation = ${organisation} and t.uses = ${uses}
      and t.concurrency_group ${same(concurrencyGroup)} and t.affinity ${same(affinity)}
      and t.control = ${control ? 1 : 0} ${behind} and t.shard ${oneOf(shards, 'bigint')}
      and t.run_id not in (select r.id from runs r where r.state = 'PAUSED')
      order by t.concurrency_group, t.affinity, ${place} limit ${limit}`);
    return rows.map(readyEntry);
  }

  async due(shards: readonly number[], until: number, limit: number): Promise<string[]> {
    const rows = await this.#db.query(sql<{ id: string }>`select id from (
        select t.run_id as id, t.due_at from tasks t where t.due_at is not null and t.due_at <= ${until}
          and t.state in ${waitingStates} and t.shard ${oneOf(shards, 'bigint')}
        union all select r.id, r.due_at from runs r where r.due_at is not null and r.due_at <= ${until}
          and r.shard ${oneOf(shards, 'bigint')}
      ) as due group by id order by min(due_at), id limit ${limit}`);
    return rows.map(({ id }) => id);
  }

  async nestedIn(runId: string): Promise<string[]> {
    const rows = await this.#db.query(sql<{ id: string }>`with recursive inside as (
        select r.id, r.state from runs r where r.parent_run_id = ${runId}
        union all select r.id, r.state from runs r join inside i on r.parent_run_id = i.id)
      select id from inside where state in ('PENDING', 'RUNNING', 'PAUSED', 'CANCELLING')`);
    return rows.map(({ id }) => id);
  }

  /** The condition that did not hold may be the fence. */
  async #whyRefused({ owned }: Pick<Flush, 'owned'>, thrown: unknown): Promise<unknown> {
    const rows = await this.#db.query(sql<{ shard: number; epoch: number }>`select s.shard, s.epoch
      from scheduler_shards s where s.shard ${oneOf([...owned.keys()], 'bigint')}`);
    const epochs = new Map(rows.map(({ shard, epoch }) => [shard, epoch]));
    const lost = [...owned].filter(([shard, epoch]) => (epochs.get(shard) ?? 0) !== epoch).map(([shard]) => shard);
    if (lost.length === 0) return thrown;
    const message = `another scheduler owns shard ${lost.join(', ')} now`;
    return new CogmeshError('failed_precondition', message, { fenced: true, shards: lost }, { cause: thrown });
  }
}

/** `=` knows no null, and an index knows nothing else. */
const same = (value: string | null): Statement => (value === null ? sql`is null` : sql`= ${value}`);

/** The row is nobody else's yet. */
const withoutPayload = (task: TaskRow): TaskRow => Object.assign(task, { item: undefined, output: undefined });
