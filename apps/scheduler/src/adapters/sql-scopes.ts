/** What expressions read: run inputs, outputs of finished tasks, item values. None of it changes once it is there. */
import { bulk, sql, type Database } from '@cogmesh/database';
import type { TaskState } from '@cogmesh/scheduling-core';
import type { TaskRef } from './engine-tables.js';

export interface ScopeRun {
  readonly id: string;
  readonly name: string;
  readonly organisation: string;
  readonly labels: string;
  readonly input: string;
  readonly outputTemplate: string | null;
  readonly error: string | null;
  /** JSON of the Failure it will end with. */
  readonly failure: string | null;
  readonly rootRunId: string | null;
  readonly traceparent: string;
  readonly totalTasks: number;
}

/** `runId`, `taskId`, `itemIndex` are its parent's. */
export interface EndedRun extends TaskRef {
  readonly id: string;
  readonly state: 'SUCCEEDED' | 'FAILED' | 'CANCELLED';
  readonly output: string | null;
  readonly error: string | null;
}

export class SqlScopes {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  runs(ids: readonly string[]): Promise<ScopeRun[]> {
    const wanted = bulk(
      this.#db.dialect,
      ids.map((id) => ({ id })),
      { id: 'text' },
    );
    return this.#db.query(sql<ScopeRun>`select r.id, r.name, r.organisation, r.labels, r.input,
      r.output_template as "outputTemplate", r.error, r.failure,
      r.root_run_id as "rootRunId", r.traceparent, r.total_tasks as "totalTasks"
      from runs r where r.id in (select id from ${wanted} as wanted)`);
  }

  /** Outputs and states of tasks (not of items). */
  outputs(
    tasks: readonly { runId: string; taskId: string }[],
  ): Promise<{ runId: string; taskId: string; output: string | null; state: TaskState }[]> {
    const wanted = bulk(this.#db.dialect, tasks.map(({ runId, taskId }) => ({ run_id: runId, task_id: taskId })), {
      run_id: 'text', task_id: 'text',
    }); // prettier-ignore
    return this.#db.query(sql<{ runId: string; taskId: string; output: string | null; state: TaskState }>`
      select t.run_id as "runId", t.task_id as "taskId", t.output, t.state from ${wanted} as w
      join tasks t on t.run_id = w.run_id and t.task_id = w.task_id and t.item_index = -1`);
  }

  items(refs: readonly TaskRef[]): Promise<(TaskRef & { item: string })[]> {
    const rows = refs.map(({ runId, taskId, itemIndex }) => ({
      run_id: runId,
      task_id: taskId,
      item_index: itemIndex,
    }));
    const wanted = bulk(this.#db.dialect, rows, { run_id: 'text', task_id: 'text', item_index: 'integer' });
    return this.#db.query(sql<TaskRef & { item: string }>`select t.run_id as "runId", t.task_id as "taskId",
      t.item_index as "itemIndex", t.item from ${wanted} as w
      join tasks t on t.run_id = w.run_id and t.task_id = w.task_id and t.item_index = w.item_index`);
  }

  /** JSON texts of a forEach's item outputs, in order. */
  async itemOutputs(runId: string, taskId: string): Promise<string[]> {
    const rows = await this.#db.query(sql<{ output: string | null }>`select t.output from tasks t
      where t.run_id = ${runId} and t.task_id = ${taskId} and t.item_index >= 0 order by t.item_index`);
    return rows.map((row) => row.output ?? 'null');
  }

  /** Nested runs that ended, with the task that waits for each. */
  endedRuns(ids: readonly string[]): Promise<EndedRun[]> {
    const wanted = bulk(
      this.#db.dialect,
      ids.map((id) => ({ id })),
      { id: 'text' },
    );
    return this.#db.query(sql<EndedRun>`select r.id, r.state, r.output, r.error, r.parent_run_id as "runId",
      r.parent_task_id as "taskId", r.parent_item_index as "itemIndex" from runs r
      where r.id in (select id from ${wanted} as wanted) and r.parent_run_id is not null
      and r.state in ('SUCCEEDED', 'FAILED', 'CANCELLED')`);
  }
}
