/** What it means for a task, or a run, that its time has come. What came first counts: each looks at the row as it is now. */
import { endRun } from './cancel-run.js';
import { failureOf, type Outcomes } from './outcomes.js';
import type { ResidentRun } from './resident-run.js';
import type { TaskRow } from './rows.js';
import type { Unit } from './unit.js';

export interface Firing {
  readonly unit: Unit;
  readonly outcomes: Outcomes;
  /** Attempts of one task lost with their agents before it is taken for the cause. */
  readonly poisonAfter: number;
}

/** Nothing happens before the run's deadline. */
export function deadlineCame({ unit }: Firing, run: ResidentRun): void {
  const { dueAt } = run.row;
  if (dueAt === null || dueAt > unit.now) return;
  endRun(unit, run, failureOf('timeout', 'the run passed its deadline', { retryable: false }));
}

/** Nothing happens before the task's time. */
export function taskCameDue(firing: Firing, task: TaskRow): void {
  const { unit, outcomes } = firing;
  if (task.dueAt === null || task.dueAt > unit.now) return;
  switch (task.state) {
    case 'READY': {
      const failure = failureOf('queue_timeout', 'nobody took the task within its queue time-out');
      outcomes.fail(task, failure, 'queue_timeout');
      return;
    }
    case 'RETRY_WAIT':
      outcomes.tryAgain(task);
      return;
    case 'WAITING':
      waitedEnough(firing, task);
      return;
    case 'CLAIMED':
    case 'PUBLISHED':
      outcomes.returnUnstarted(task, 'expired');
      return;
    case 'RUNNING':
      overran(firing, task);
      return;
    default:
      task.dueAt = null;
      unit.touch(task);
  }
}

/** A sleep is over; an answer that somebody was asked for did not come. */
function waitedEnough({ unit, outcomes }: Firing, task: TaskRow): void {
  const { timeoutMs } = unit.planOf(task);
  if (task.uses === 'sleep') outcomes.succeed(task, { json: 'null' }, 'timer');
  else if (task.uses === 'run')
    outcomes.retryOrFail(task, failureOf('timeout', `its run took longer than ${timeoutMs} ms`));
  else outcomes.fail(task, failureOf('approval_timeout', `nobody answered within ${timeoutMs} ms`));
}

function overran({ unit, outcomes, poisonAfter }: Firing, task: TaskRow): void {
  const { agentId, attemptId, timeoutAt, leaseUntil } = task;
  const isTimedOut = timeoutAt !== null && timeoutAt <= unit.now;
  if (!isTimedOut && leaseUntil !== null && leaseUntil > unit.now) return;
  const { timeoutMs, heartbeatTimeoutMs } = unit.planOf(task);
  const silence = heartbeatTimeoutMs === undefined ? '' : `: no sign of life for ${heartbeatTimeoutMs} ms`;
  const isMoved = isTimedOut
    ? outcomes.retryOrFail(task, failureOf('timeout', `the attempt took longer than ${timeoutMs} ms`))
    : outcomes.lose(task, failureOf('lease_lost', `the agent ${agentId ?? ''} stopped renewing its lease${silence}`), {
        poisonAfter,
      });
  if (isMoved && agentId !== null && attemptId !== null) unit.effects.stop.push({ agentId, attemptId });
}
