import { schedulerV1 } from '@cogmesh/contracts';
import type { Operation } from './operation.js';
import { right } from './right.js';
import { callScheduler, type SchedulerPorts } from './scheduler-call.js';

export interface DeleteScheduleInput {
  /** Id or name. */
  readonly schedule: string;
}

/** Removes a schedule; runs that it fired go on. */
export function deleteSchedule(
  ports: SchedulerPorts,
): Operation<DeleteScheduleInput, schedulerV1.DeleteScheduleResponse> {
  return async (request) => {
    return callScheduler(ports, request, {
      method: schedulerV1.SchedulerService.method.deleteSchedule,
      rights: [right('write', '/schedules')],
      send: (options) => ports.scheduler.deleteSchedule({ schedule: request.input.schedule }, options),
    });
  };
}
