/** A failed run: descendants are skipped, nothing else starts, what agents hold runs on. Set-based, since a run may be large. */
import { planFailure, type OpenTask } from '@cogmesh/scheduling-core';
import { allEdges, endTasks, openTasks, type Ended } from '../adapters/engine-tables.js';
import { taskKey, type Failure, type RunRow } from '../model/rows.js';
import type { WorkUnit } from './work-unit.js';

export async function spreadFailure(unit: WorkUnit, run: RunRow, failed: readonly string[]): Promise<void> {
  await unit.flushTasks();
  const open = await openTasks(unit.tx, run.id);
  const { skip, cancel } = planFailure(failed, open, await allEdges(unit.tx, run.id));
  const because: Failure = {
    code: 'task_failed',
    message: `not started, because ${failed.join(', ')} failed`,
    retryable: false,
  };
  await endOpenTasks(unit, run, [
    { tasks: skip, state: 'SKIPPED', failure: { ...because, message: `skipped, because ${failed.join(', ')} failed` } },
    { tasks: cancel, state: 'CANCELLED', failure: because },
  ]);
}

export interface Ending {
  readonly tasks: readonly OpenTask[];
  readonly state: 'CANCELLED' | 'SKIPPED';
  readonly failure: Failure;
}

/** Ends tasks in bulk and tells it of those that are tasks themselves; items are counted in their task. */
export async function endOpenTasks(unit: WorkUnit, run: RunRow, endings: readonly Ending[]): Promise<void> {
  const ended: Ended[] = [];
  for (const { tasks, state, failure } of endings) {
    const error = JSON.stringify(failure);
    for (const { id, index, state: before } of tasks) {
      const ref = { runId: run.id, taskId: id, itemIndex: index };
      ended.push({ ...ref, state, error });
      if (before === 'READY') unit.effects.unready.push(taskKey(ref));
      if (index < 0) unit.tell(run, { type: 'task.state', taskId: id, taskState: state, error });
    }
  }
  run.openTasks -= ended.length;
  unit.touchRun(run);
  await endTasks(unit.tx, ended, unit.now);
}
