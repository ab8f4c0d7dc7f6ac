/** Ends a run now: by its caller (CANCELLED) or by its deadline (FAILED). Open tasks end with it, agents are told to stop. */
import { isHeld, isTerminalRun } from '../states.js';
import { failureOf } from './outcomes.js';
import type { ResidentRun } from './resident-run.js';
import type { Failure, RunRow } from './rows.js';
import type { Unit } from './unit.js';

/** Nothing changes when the run is over already. */
export function cancelRun(unit: Unit, run: ResidentRun, reason: string): void {
  if (!unit.moveRun(run.row, 'cancel')) return;
  const message = reason === '' ? 'cancelled' : `cancelled: ${reason}`;
  endEverything(unit, run, failureOf('cancelled', message));
  close(unit, run.row, { event: 'cancelled', failure: failureOf('cancelled', message) });
}

/** Fails the run although tasks are still open. */
export function endRun(unit: Unit, run: ResidentRun, failure: Failure): void {
  if (isTerminalRun(run.row.state)) return;
  endEverything(unit, run, { ...failure, message: `not finished: ${failure.message}` });
  close(unit, run.row, { event: 'fail', failure });
}

function endEverything(unit: Unit, run: ResidentRun, failure: Failure): void {
  const error = JSON.stringify(failure);
  for (const task of run.open()) {
    const { state, agentId, attemptId } = task;
    if (isHeld(state) && agentId !== null && attemptId !== null) unit.effects.stop.push({ agentId, attemptId });
    unit.end(task, 'cancel', error);
  }
}

function close(
  unit: Unit,
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
