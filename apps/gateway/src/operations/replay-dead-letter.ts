import { schedulerV1 } from '@cogmesh/contracts';
import type { Operation } from './operation.js';
import { right } from './right.js';
import { callScheduler, type SchedulerPorts } from './scheduler-call.js';

export interface ReplayDeadLetterInput {
  readonly id: string;
}

/** Publishes a dead letter to its queue again. The scheduler obeys administrators only. */
export function replayDeadLetter(
  ports: SchedulerPorts,
): Operation<ReplayDeadLetterInput, schedulerV1.ReplayDeadLetterResponse> {
  return async (request) => {
    return callScheduler(ports, request, {
      method: schedulerV1.SchedulerService.method.replayDeadLetter,
      rights: [right('write', '/dead-letters')],
      send: (options) => ports.scheduler.replayDeadLetter({ id: request.input.id }, options),
    });
  };
}
