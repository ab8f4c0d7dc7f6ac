/** What does not start any more after a failure; what agents hold runs on. A run that fails is looked at whole, once. */
import { planFailure, planLostItems, planSkips, type OpenTask } from '../plan.js';
import { isTerminalTask } from '../states.js';
import type { ResidentRun } from './resident-run.js';
import type { Failure, TaskRow } from './rows.js';
import type { Unit } from './unit.js';

interface Open extends OpenTask {
  readonly row: TaskRow;
}

const openOf = (rows: readonly TaskRow[]): Open[] =>
  rows.flatMap((row) =>
    isTerminalTask(row.state) ? [] : [{ id: row.taskId, index: row.itemIndex, state: row.state, row }],
  );

/** The run has failed: descendants are skipped and nothing else starts. */
export function spreadFailure(unit: Unit, run: ResidentRun, failed: readonly string[]): void {
  const { skip, cancel } = planFailure(failed, openOf(run.open()), run.dependencies());
  endTasks(unit, skip, { event: 'parent_failed', failure: because('skipped', failed) });
  endTasks(unit, cancel, { event: 'cancel', failure: because('not started', failed) });
}

/** Tasks that failed while the rest of their run goes on. */
export interface Survived {
  /** Their descendants are skipped. */
  readonly skipBelow: readonly string[];
  /** Their unstarted items end, if they have any. */
  readonly failed: readonly string[];
}

export function surviveFailure(unit: Unit, run: ResidentRun, { skipBelow, failed }: Survived): void {
  if (skipBelow.some((id) => run.children(id).length > 0)) {
    const skip = planSkips(skipBelow, openOf(run.open()), run.dependencies());
    endTasks(unit, skip, { event: 'parent_failed', failure: because('skipped', skipBelow) });
  }
  const items = failed.flatMap((id) => openOf(run.items(id)));
  endTasks(unit, planLostItems(failed, items), { event: 'cancel', failure: because('not started', failed) });
}

const because = (verb: string, names: readonly string[]): Failure => ({
  code: 'task_failed',
  message: `${verb}, because ${names.join(', ')} failed`,
  retryable: false,
});

interface Ending {
  readonly event: 'cancel' | 'parent_failed';
  readonly failure: Failure;
}

function endTasks(unit: Unit, tasks: readonly Open[], { event, failure }: Ending): void {
  const error = JSON.stringify(failure);
  for (const { row } of tasks) unit.end(row, event, error);
}
