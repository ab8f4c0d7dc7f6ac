import { schedulerV1 } from '@cogmesh/contracts';
import type { Operation } from './operation.js';
import { runPath } from './resource-path.js';
import { right } from './right.js';
import { assertIndex, callScheduler, type SchedulerPorts } from './scheduler-call.js';

export interface ExplainWaitingInput {
  readonly runId: string;
  readonly taskId: string;
  /** One item of a `forEach` task, from 0. */
  readonly index?: number;
}

/** Why a task is not running: a code and a sentence, with its place in the order. */
export function explainWaiting(
  ports: SchedulerPorts,
): Operation<ExplainWaitingInput, schedulerV1.ExplainWaitingResponse> {
  return async (request) => {
    const { runId, taskId, index } = request.input;
    assertIndex(index);
    return callScheduler(ports, request, {
      method: schedulerV1.SchedulerService.method.explainWaiting,
      rights: [right('read', runPath(runId))],
      send: (options) =>
        ports.scheduler.explainWaiting({ runId, taskId, ...(index === undefined ? {} : { index }) }, options),
    });
  };
}
