/** What does not start any more after a failure. Set-based, since a run may be large; what agents hold runs on. */
import { planFailure, planLostItems, planSkips } from '@cogmesh/scheduling-core';
import { allEdges, endTasks, openTasks, type Ended, type OpenTaskRow } from '../adapters/engine-tables.js';
import { taskKey, type Failure, type RunRow } from '../model/rows.js';
import type { WorkUnit } from './work-unit.js';

/** The run has failed: descendants are skipped and nothing else starts. */
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

/** Tasks that failed while the rest of their run goes on. */
export interface Survived {
  /** Their descendants are skipped. */
  readonly skipBelow: readonly string[];
  /** Their unstarted items end, if they have any. */
  readonly failed: readonly string[];
}

export async function surviveFailure(unit: WorkUnit, run: RunRow, { skipBelow, failed }: Survived): Promise<void> {
  await unit.flushTasks();
  const open = await openTasks(unit.tx, run.id);
  const because = (verb: string, names: readonly string[]): Failure => ({
    code: 'task_failed',
    message: `${verb}, because ${names.join(', ')} failed`,
    retryable: false,
  });
  const skip = skipBelow.length === 0 ? [] : planSkips(skipBelow, open, await allEdges(unit.tx, run.id));
  await endOpenTasks(unit, run, [
    { tasks: skip, state: 'SKIPPED', failure: because('skipped', skipBelow) },
    { tasks: planLostItems(failed, open), state: 'CANCELLED', failure: because('not started', failed) },
  ]);
}

export interface Ending {
  readonly tasks: readonly OpenTaskRow[];
  readonly state: 'CANCELLED' | 'SKIPPED';
  readonly failure: Failure;
}

/** Ends tasks in bulk and tells it of those that are tasks themselves; items are counted in their task. */
export async function endOpenTasks(unit: WorkUnit, run: RunRow, endings: readonly Ending[]): Promise<void> {
  const ended: Ended[] = [];
  for (const { tasks, state, failure } of endings) {
    const error = JSON.stringify(failure);
    for (const { id, index, state: before, nestedRunId } of tasks) {
      const ref = { runId: run.id, taskId: id, itemIndex: index };
      ended.push({ ...ref, state, error });
      if (before === 'READY') unit.effects.unready.push(taskKey(ref));
      if (nestedRunId !== null) unit.effects.orphaned.push(nestedRunId);
      if (index < 0) unit.tell(run, { type: 'task.state', taskId: id, taskState: state, error });
    }
  }
  if (ended.length === 0) return;
  run.openTasks -= ended.length;
  unit.touchRun(run);
  await endTasks(unit.tx, ended, unit.now);
}
