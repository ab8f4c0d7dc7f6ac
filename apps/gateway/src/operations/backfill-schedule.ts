import { schedulerV1 } from '@cogmesh/contracts';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { CogmeshError } from '@cogmesh/errors';
import type { Operation } from './operation.js';
import { right } from './right.js';
import { callScheduler, type SchedulerPorts } from './scheduler-call.js';

export interface BackfillScheduleInput {
  /** Id or name. */
  readonly schedule: string;
  /** Range of times to fire for, the end excluded. */
  readonly from: Date;
  readonly to: Date;
  /** Most runs it may make; 0 for the default of the scheduler. */
  readonly limit: number;
}

/** Fires a schedule once for each of its times in a past range. */
export function backfillSchedule(
  ports: SchedulerPorts,
): Operation<BackfillScheduleInput, schedulerV1.BackfillScheduleResponse> {
  return async (request) => {
    const { schedule, from, to, limit } = request.input;
    if (!(from < to)) throw new CogmeshError('invalid_argument', 'from must be before to');
    return callScheduler(ports, request, {
      method: schedulerV1.SchedulerService.method.backfillSchedule,
      rights: [right('write', '/schedules')],
      send: (options) =>
        ports.scheduler.backfillSchedule(
          { schedule, from: timestampFromDate(from), to: timestampFromDate(to), limit },
          options,
        ),
    });
  };
}
