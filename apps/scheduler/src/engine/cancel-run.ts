/** Ends a run now: by its caller (CANCELLED) or by its deadline (FAILED). Open tasks end with it, agents are told to stop. */
import { isTerminalRun } from '@cogmesh/scheduling-core';
import { heldOfRun, openTasks } from '../adapters/engine-tables.js';
import type { Failure, RunRow } from '../model/rows.js';
import { endOpenTasks } from './failure.js';
import { failureOf } from './outcomes.js';
import type { WorkUnit } from './work-unit.js';

/** Nothing changes when the run is over already. */
export async function cancelRun(unit: WorkUnit, run: RunRow, reason: string): Promise<void> {
  if (!unit.moveRun(run, 'cancel')) return;
  const message = reason === '' ? 'cancelled' : `cancelled: ${reason}`;
  await endEverything(unit, run, failureOf('cancelled', message));
  close(unit, run, { event: 'cancelled', failure: failureOf('cancelled', message) });
}

/** Fails the run although tasks are still open. */
export async function endRun(unit: WorkUnit, run: RunRow, failure: Failure): Promise<void> {
  if (isTerminalRun(run.state)) return;
  await endEverything(unit, run, { ...failure, message: `not finished: ${failure.message}` });
  close(unit, run, { event: 'fail', failure });
}

async function endEverything(unit: WorkUnit, run: RunRow, failure: Failure): Promise<void> {
  for (const { attemptId, agentId } of await heldOfRun(unit.tx, run.id)) {
    unit.effects.freed.push(attemptId);
    if (agentId !== null) unit.effects.stop.push({ agentId, attemptId });
  }
  await endOpenTasks(unit, run, [{ tasks: await openTasks(unit.tx, run.id), state: 'CANCELLED', failure }]);
}

function close(
  unit: WorkUnit,
  run: RunRow,
  { event, failure }: { readonly event: 'cancelled' | 'fail'; readonly failure: Failure },
): void {
  run.error = JSON.stringify(failure);
  run.finishedAt = unit.now;
  run.dueAt = null;
  if (run.state === 'PENDING') unit.moveRun(run, 'start');
  unit.moveRun(run, event);
  unit.tell(run, { type: 'run.done', runState: run.state, error: run.error });
}
