import { schedulerV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import type { Operation } from './operation.js';
import { runPath } from './resource-path.js';
import { right } from './right.js';
import { callScheduler, type SchedulerPorts } from './scheduler-call.js';

export interface SetPriorityInput {
  readonly runId: string;
  /** Empty for the run and every task of it that named no priority of its own. */
  readonly taskId: string;
  /** 0 to 9, higher first. */
  readonly priority: number;
}

/** Moves a waiting run, or one waiting task, forward or back in the order of its organisation. */
export function setPriority(ports: SchedulerPorts): Operation<SetPriorityInput, schedulerV1.SetPriorityResponse> {
  return async (request) => {
    const { runId, taskId, priority } = request.input;
    if (!Number.isInteger(priority) || priority < 0 || priority > 9) {
      throw new CogmeshError('invalid_argument', 'priority is a whole number from 0 to 9', { priority });
    }
    return callScheduler(ports, request, {
      method: schedulerV1.SchedulerService.method.setPriority,
      rights: [right('write', runPath(runId))],
      send: (options) => ports.scheduler.setPriority({ runId, taskId, priority }, options),
    });
  };
}
