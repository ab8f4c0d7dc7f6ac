/** A run with its tasks, what each waits for, and where it stands. */
import type { SqlRunViews } from '../adapters/sql-run-views.js';
import type { AgentDirectory } from '../engine/agent-directory.js';
import type { Targets } from '../engine/targets.js';
import { waitingOf } from '../engine/waiting.js';
import type { RunRow } from '../model/rows.js';
import { runMessage, taskMessage, type RunMessage } from './to-proto.js';

export type DescribeRun = (run: RunRow) => Promise<RunMessage>;

const finished = new Set(['SUCCEEDED', 'SKIPPED']);

export function describeRun(context: {
  readonly views: SqlRunViews;
  readonly directory: AgentDirectory;
  readonly targets: Targets;
}): DescribeRun {
  return async (run) => {
    const [tasks, dependencies, openItems] = await Promise.all([
      context.views.tasks(run.id),
      context.views.dependencies(run.id),
      context.views.openItems(run.id),
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
    const waiting = { directory: context.directory, targets: context.targets, unmet, items };
    const now = run.finishedAt ?? Date.now();
    return runMessage(
      run,
      tasks.map((task) =>
        taskMessage(task, { depends: depends.get(task.taskId) ?? [], waiting: waitingOf(task, waiting), now }),
      ),
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
