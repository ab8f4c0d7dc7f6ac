import { schedulerV1 } from '@cogmesh/contracts';
import type { Operation } from './operation.js';
import { runPath } from './resource-path.js';
import { right } from './right.js';
import { assertLength, callScheduler, type SchedulerPorts } from './scheduler-call.js';

export interface PauseRunInput {
  readonly runId: string;
  /** Shown in the history; empty for none. */
  readonly reason: string;
}

/** Nothing new of the run starts until it is resumed. Idempotent. */
export function pauseRun(ports: SchedulerPorts): Operation<PauseRunInput, schedulerV1.PauseRunResponse> {
  return async (request) => {
    const { runId, reason } = request.input;
    assertLength(reason, 500, 'a reason');
    return callScheduler(ports, request, {
      method: schedulerV1.SchedulerService.method.pauseRun,
      rights: [right('write', runPath(runId))],
      send: (options) => ports.scheduler.pauseRun({ runId, reason }, options),
    });
  };
}
