/** A run with its tasks, what each waits for, and where it stands. */
import type { SqlRunViews } from '../adapters/sql-run-views.js';
import { waitingOf, type WaitingMemory } from '../engine/waiting.js';
import type { RunRow } from '../model/rows.js';
import { runMessage, taskMessage, type RunMessage } from './to-proto.js';

export type DescribeRun = (run: RunRow) => Promise<RunMessage>;

const finished = new Set(['SUCCEEDED', 'SKIPPED', 'FAILED', 'CANCELLED']);

/** A run may have thousands of ready tasks, so their places are counted only so far. */
const mostPositions = 100;

export function describeRun({ views, ...memory }: WaitingMemory & { readonly views: SqlRunViews }): DescribeRun {
  return async (run) => {
    const [tasks, dependencies, openItems] = await Promise.all([
      views.tasks(run.id),
      views.dependencies(run.id),
      views.openItems(run.id),
    ]);
    const depends = groupBy(
      dependencies,
      ({ child }) => child,
      ({ parent }) => parent,
    );
    const unmet = groupBy(
      dependencies.filter(({ state }) => !finished.has(state)),
      ({ child }) => child,
      ({ parent }) => parent,
    );
    const items = new Map<string, Record<string, number>>();
    for (const { taskId, state, count } of openItems) items.set(taskId, { ...items.get(taskId), [state]: count });
    const isRunPaused = run.state === 'PAUSED';
    const now = run.finishedAt ?? Date.now();
    return runMessage(
      run,
      tasks.map((task) => {
        const facts = {
          isRunPaused,
          unmet: unmet.get(task.taskId) ?? [],
          items: items.get(task.taskId),
          mostPositions,
        };
        const waiting = waitingOf(task, facts, memory);
        return taskMessage(task, { depends: depends.get(task.taskId) ?? [], waiting, now });
      }),
    );
  };
}

function groupBy<T>(rows: readonly T[], keyOf: (row: T) => string, valueOf: (row: T) => string): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const row of rows) {
    const group = groups.get(keyOf(row));
    if (group) group.push(valueOf(row));
    else groups.set(keyOf(row), [valueOf(row)]);
  }
  return groups;
}
