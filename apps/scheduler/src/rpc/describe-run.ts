/** A run with its tasks, what each waits for, and where it stands. */
import type { SqlRunViews } from '../adapters/sql-run-views.js';
import {
  blockedBy,
  waitingOf,
  type LoadedRun,
  type NewRun,
  type RunRow,
  type WaitingMemory,
} from '@cogmesh/scheduling-core';
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

/** A run as it was stored a moment ago, without a question to anybody. Why a ready task waits is not known yet. */
export function describeBorn({ run, tasks }: LoadedRun, { submission: { plan } }: NewRun): RunMessage {
  const depends = new Map(plan.tasks.map((task) => [task.id, task.depends]));
  return runMessage(
    run,
    tasks.map((task) => {
      const parents = depends.get(task.taskId) ?? [];
      const waiting = task.state === 'BLOCKED' ? blockedBy(parents) : undefined;
      return taskMessage(task, { depends: parents, waiting, now: run.createdAt });
    }),
  );
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
