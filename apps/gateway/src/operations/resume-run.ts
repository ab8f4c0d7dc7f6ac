import { schedulerV1 } from '@cogmesh/contracts';
import type { Operation } from './operation.js';
import { runPath } from './resource-path.js';
import { right } from './right.js';
import { callScheduler, type SchedulerPorts } from './scheduler-call.js';

export interface ResumeRunInput {
  readonly runId: string;
}

/** Lets a paused run go on. Idempotent. */
export function resumeRun(ports: SchedulerPorts): Operation<ResumeRunInput, schedulerV1.ResumeRunResponse> {
  return async (request) => {
    const { runId } = request.input;
    return callScheduler(ports, request, {
      method: schedulerV1.SchedulerService.method.resumeRun,
      rights: [right('write', runPath(runId))],
      send: (options) => ports.scheduler.resumeRun({ runId }, options),
    });
  };
}
