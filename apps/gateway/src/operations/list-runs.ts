import { schedulerV1 } from '@cogmesh/contracts';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { CogmeshError } from '@cogmesh/errors';
import type { Operation } from './operation.js';
import { right } from './right.js';
import { assertLimit, callScheduler, type SchedulerPorts } from './scheduler-call.js';

export interface ListRunsInput {
  /** 1 to 500; 0 means 50. */
  readonly limit: number;
  readonly cursor: string;
  readonly state: schedulerV1.RunState;
  /** Every one must match exactly; at most 8. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Created at or after. */
  readonly after?: Date | undefined;
  /** Created before. */
  readonly before?: Date | undefined;
  /** Id of the schedule that fired them; empty for any. */
  readonly scheduleId?: string | undefined;
}

const labelsMax = 8;

/** The caller's organisation's runs, newest first, without tasks. */
export function listRuns(ports: SchedulerPorts): Operation<ListRunsInput, schedulerV1.ListRunsResponse> {
  return async (request) => {
    const { limit, cursor, state, labels = {}, after, before, scheduleId = '' } = request.input;
    assertLimit(limit);
    if (Object.keys(labels).length > labelsMax) {
      throw new CogmeshError('invalid_argument', `at most ${labelsMax} labels can be asked for`, { limit: labelsMax });
    }
    const filter = {
      ...(after === undefined ? {} : { createdAfter: timestampFromDate(after) }),
      ...(before === undefined ? {} : { createdBefore: timestampFromDate(before) }),
    };
    return callScheduler(ports, request, {
      method: schedulerV1.SchedulerService.method.listRuns,
      rights: [right('list', '/runs')],
      send: (options) =>
        ports.scheduler.listRuns({ page: { limit, cursor }, state, labels, scheduleId, ...filter }, options),
    });
  };
}
