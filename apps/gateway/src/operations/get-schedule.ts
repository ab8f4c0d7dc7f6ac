import { schedulerV1 } from '@cogmesh/contracts';
import type { Operation } from './operation.js';
import { right } from './right.js';
import { callScheduler, type SchedulerPorts } from './scheduler-call.js';

export interface GetScheduleInput {
  /** Id or name. */
  readonly schedule: string;
}

/** One schedule with its next times. */
export function getSchedule(ports: SchedulerPorts): Operation<GetScheduleInput, schedulerV1.GetScheduleResponse> {
  return async (request) => {
    return callScheduler(ports, request, {
      method: schedulerV1.SchedulerService.method.getSchedule,
      rights: [right('read', '/schedules')],
      send: (options) => ports.scheduler.getSchedule({ schedule: request.input.schedule }, options),
    });
  };
}
