/** Task plans by run and task, parsed once. Plans never change, so a bounded cache needs no invalidation. */
import type { SqlRunner } from '@cogmesh/database';
import { CogmeshError } from '@cogmesh/errors';
import type { TaskPlan } from '@cogmesh/scheduling-core';
import { tasksByRef } from '../adapters/engine-tables.js';
import type { TaskRow } from '../model/rows.js';

const maxCached = 50_000;

export type PlanOf = (task: { readonly runId: string; readonly taskId: string }) => TaskPlan;

const keyOf = (task: { readonly runId: string; readonly taskId: string }): string => `${task.runId} ${task.taskId}`;

export class PlanCache {
  readonly #plans = new Map<string, TaskPlan>();

  /** A row that was read for another reason carries its plan along. */
  learn(row: Pick<TaskRow, 'runId' | 'taskId' | 'plan'>): void {
    const key = keyOf(row);
    if (row.plan !== null && !this.#plans.has(key)) this.#keep(key, JSON.parse(row.plan) as TaskPlan);
  }

  /** Reads what is missing, and answers a look-up that holds every wanted plan whatever the cache forgets meanwhile. */
  async load(db: SqlRunner, tasks: Iterable<{ readonly runId: string; readonly taskId: string }>): Promise<PlanOf> {
    const found = new Map<string, TaskPlan>();
    const missing = new Map<string, { runId: string; taskId: string; itemIndex: number }>();
    for (const task of tasks) {
      const key = keyOf(task);
      const plan = this.#plans.get(key);
      if (plan) found.set(key, plan);
      else missing.set(key, { runId: task.runId, taskId: task.taskId, itemIndex: -1 });
    }
    const rows = missing.size === 0 ? [] : await tasksByRef(db, [...missing.values()]);
    for (const row of rows) {
      if (row.plan === null) continue;
      const plan = JSON.parse(row.plan) as TaskPlan;
      found.set(keyOf(row), plan);
      this.#keep(keyOf(row), plan);
    }
    return (task) => {
      const plan = found.get(keyOf(task));
      if (!plan) throw new CogmeshError('data_loss', `task ${task.taskId} of ${task.runId} has no plan`);
      return plan;
    };
  }

  #keep(key: string, plan: TaskPlan): void {
    this.#plans.set(key, plan);
    if (this.#plans.size <= maxCached) return;
    const oldest = this.#plans.keys().next().value;
    if (oldest !== undefined) this.#plans.delete(oldest);
  }
}
