import { schedulerV1 } from '@cogmesh/contracts';
import type { Operation } from './operation.js';
import { right } from './right.js';
import { assertLimit, callScheduler, type SchedulerPorts } from './scheduler-call.js';

export interface ListDeadLettersInput {
  /** 1 to 500; 0 means 50. */
  readonly limit: number;
  readonly cursor: string;
}

/** Messages that could not be processed, newest first. The scheduler answers administrators only. */
export function listDeadLetters(
  ports: SchedulerPorts,
): Operation<ListDeadLettersInput, schedulerV1.ListDeadLettersResponse> {
  return async (request) => {
    const { limit, cursor } = request.input;
    assertLimit(limit);
    return callScheduler(ports, request, {
      method: schedulerV1.SchedulerService.method.listDeadLetters,
      rights: [right('read', '/dead-letters')],
      send: (options) => ports.scheduler.listDeadLetters({ page: { limit, cursor } }, options),
    });
  };
}
