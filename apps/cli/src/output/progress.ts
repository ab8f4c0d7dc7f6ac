/** The state of a run's DAG, built from its events: what the live view draws. Knows nothing of terminals. */
import type { RunEvent, RunState, RunView, TaskState, TaskView } from '@cogmesh/sdk';

export interface TaskProgress {
  readonly id: string;
  readonly uses: string;
  readonly depth: number;
  readonly depends: readonly string[];
  state: TaskState;
  startedAt: number | undefined;
  finishedAt: number | undefined;
  error: string | undefined;
  readonly items: Map<number, TaskState>;
  total: number | undefined;
}

export class RunProgress {
  state: RunState;
  readonly tasks: readonly TaskProgress[];
  private readonly byId: ReadonlyMap<string, TaskProgress>;

  constructor(run: RunView) {
    this.state = run.state;
    const views = run.tasks ?? [];
    const depths = depthsOf(views);
    this.tasks = views.map((view) => toProgress(view, depths.get(view.id) ?? 0)).sort((a, b) => a.depth - b.depth);
    this.byId = new Map(this.tasks.map((task) => [task.id, task]));
  }

  /** Whether items of a forEach were seen whose number is not known yet. */
  get lacksTotals(): boolean {
    return this.tasks.some(({ items, total }) => items.size > 0 && total === undefined);
  }

  /** Takes the number of items from the run as it stands now: events are about single items. */
  learnTotals(run: RunView): void {
    for (const { id, items } of run.tasks ?? []) {
      const task = this.byId.get(id);
      if (task && items) task.total = items.total;
    }
  }

  apply(event: RunEvent): void {
    if (event.runState) this.state = event.runState;
    const task = event.taskId ? this.byId.get(event.taskId) : undefined;
    if (!task || !event.taskState) return;
    if (typeof event.index === 'number') task.items.set(event.index, event.taskState);
    else applyState(task, event);
  }
}

function applyState(task: TaskProgress, event: RunEvent): void {
  if (!event.taskState) return;
  task.state = event.taskState;
  task.error = event.error?.message ?? task.error;
  const at = Date.parse(event.time);
  if (event.taskState === 'RUNNING') task.startedAt ??= at;
  if (['SUCCEEDED', 'FAILED', 'CANCELLED'].includes(event.taskState)) task.finishedAt = at;
}

function toProgress(view: TaskView, depth: number): TaskProgress {
  const { id, uses, state, depends = [] } = view;
  return {
    id,
    uses,
    depth,
    depends,
    state,
    startedAt: undefined,
    finishedAt: undefined,
    error: undefined,
    items: new Map(),
    total: view.items?.total,
  };
}

/** Longest path from a root, so that a task always stands below what it waits for. */
function depthsOf(tasks: readonly TaskView[]): Map<string, number> {
  const byId = new Map(tasks.map((task) => [task.id, task]));
  const depths = new Map<string, number>();
  const depthOf = (id: string): number => {
    const known = depths.get(id);
    if (known !== undefined) return known;
    depths.set(id, 0);
    const parents = byId.get(id)?.depends ?? [];
    const depth = parents.length === 0 ? 0 : 1 + Math.max(...parents.map(depthOf));
    depths.set(id, depth);
    return depth;
  };
  for (const { id } of tasks) depthOf(id);
  return depths;
}
