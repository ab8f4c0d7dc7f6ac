/** One run in memory with all its tasks: what decisions read and change. The store holds the same rows, a flush behind. */
import { CogmeshError } from '@cogmesh/errors';
import type { Dependency } from '../plan.js';
import type { TaskPlan } from '../run-plan.js';
import { isHeld, isTerminalTask } from '../states.js';
import type { LoadedRun } from './new-run.js';
import type { RunRow, TaskRef, TaskRow } from './rows.js';

const slot = ({ taskId, itemIndex }: Pick<TaskRef, 'taskId' | 'itemIndex'>): string => `${taskId} ${itemIndex}`;

export class ResidentRun {
  readonly row: RunRow;
  readonly #tasks = new Map<string, TaskRow>();
  readonly #items = new Map<string, TaskRow[]>();
  readonly #plans = new Map<string, TaskPlan>();
  #children: Map<string, string[]> | undefined;
  /** Reasons why it may not be put out of memory now: changes that are not stored, decisions that are under way. */
  pins = 0;
  /** Attempts that agents hold, or are about to. */
  inFlight = 0;
  /** Its open tasks are among those of its organisation. */
  isCounted: boolean;

  constructor({ run, tasks, isWaiting = false }: LoadedRun) {
    this.row = run;
    this.isCounted = !isWaiting;
    for (const task of tasks) this.add(task);
  }

  get isInFlight(): boolean {
    return this.inFlight > 0;
  }

  /** Rows in memory. */
  get size(): number {
    return this.#tasks.size;
  }

  get tasks(): Iterable<TaskRow> {
    return this.#tasks.values();
  }

  add(task: TaskRow): void {
    this.#tasks.set(slot(task), task);
    if (isHeld(task.state) && task.attemptId !== null) this.inFlight += 1;
    if (task.itemIndex < 0) return;
    const items = this.#items.get(task.taskId);
    if (items) items[task.itemIndex] = task;
    else {
      const first: TaskRow[] = [];
      first[task.itemIndex] = task;
      this.#items.set(task.taskId, first);
    }
  }

  /** The task itself, or one of its items. */
  task(taskId: string, itemIndex = -1): TaskRow | undefined {
    return this.#tasks.get(slot({ taskId, itemIndex }));
  }

  /** In order of their index; empty for a task without items. */
  items(taskId: string): readonly TaskRow[] {
    return this.#items.get(taskId) ?? [];
  }

  plan(taskId: string): TaskPlan {
    let plan = this.#plans.get(taskId);
    if (!plan) {
      const text = this.task(taskId)?.plan;
      if (text == null) throw new CogmeshError('data_loss', `task ${taskId} of ${this.row.id} has no plan`);
      this.#plans.set(taskId, (plan = JSON.parse(text) as TaskPlan));
    }
    return plan;
  }

  /** Tasks that wait for this one. */
  children(taskId: string): readonly string[] {
    return (this.#children ??= this.#childrenOfAll()).get(taskId) ?? [];
  }

  dependencies(): Dependency[] {
    return [...(this.#children ??= this.#childrenOfAll())].flatMap(([parent, children]) =>
      children.map((child) => ({ parent, child })),
    );
  }

  /** Tasks and items that are not terminal. */
  open(): TaskRow[] {
    return [...this.#tasks.values()].filter(({ state }) => !isTerminalTask(state));
  }

  /** What agents hold, or are about to; a forEach that runs is no attempt. */
  held(): TaskRow[] {
    return [...this.#tasks.values()].filter(({ state, attemptId }) => isHeld(state) && attemptId !== null);
  }

  #childrenOfAll(): Map<string, string[]> {
    const found = new Map<string, string[]>();
    for (const { taskId, itemIndex } of this.#tasks.values()) {
      if (itemIndex >= 0) continue;
      for (const parent of this.plan(taskId).depends) {
        const children = found.get(parent);
        if (children) children.push(taskId);
        else found.set(parent, [taskId]);
      }
    }
    return found;
  }
}
