import { schedulerV1 } from '@cogmesh/contracts';
import type { Operation } from './operation.js';
import { right } from './right.js';
import { assertLimit, callScheduler, type SchedulerPorts } from './scheduler-call.js';

export interface ListSchedulesInput {
  /** 1 to 500; 0 means 50. */
  readonly limit: number;
  readonly cursor: string;
}

/** The schedules of the organisation of the caller, one page. */
export function listSchedules(ports: SchedulerPorts): Operation<ListSchedulesInput, schedulerV1.ListSchedulesResponse> {
  return async (request) => {
    const { limit, cursor } = request.input;
    assertLimit(limit);
    return callScheduler(ports, request, {
      method: schedulerV1.SchedulerService.method.listSchedules,
      rights: [right('read', '/schedules')],
      send: (options) => ports.scheduler.listSchedules({ page: { limit, cursor } }, options),
    });
  };
}
