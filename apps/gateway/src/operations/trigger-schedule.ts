import { schedulerV1 } from '@cogmesh/contracts';
import type { Operation } from './operation.js';
import { right } from './right.js';
import { callScheduler, type SchedulerPorts } from './scheduler-call.js';

export interface TriggerScheduleInput {
  /** Id or name. */
  readonly schedule: string;
}

/** Fires a schedule now, beside its times. */
export function triggerSchedule(
  ports: SchedulerPorts,
): Operation<TriggerScheduleInput, schedulerV1.TriggerScheduleResponse> {
  return async (request) => {
    return callScheduler(ports, request, {
      method: schedulerV1.SchedulerService.method.triggerSchedule,
      rights: [right('write', '/schedules')],
      send: (options) => ports.scheduler.triggerSchedule({ schedule: request.input.schedule }, options),
    });
  };
}
