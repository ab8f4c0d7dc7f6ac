import { schedulerV1 } from '@cogmesh/contracts';
import { parseJson } from './json-text.js';
import type { Operation } from './operation.js';
import { runPath } from './resource-path.js';
import { right } from './right.js';
import { assertIndex, assertLength, callScheduler, type SchedulerPorts } from './scheduler-call.js';

export interface SignalTaskInput {
  readonly runId: string;
  readonly taskId: string;
  /** One item of a `forEach` task, from 0. */
  readonly index?: number;
  /** False refuses: the task fails with `refused`. */
  readonly approved: boolean;
  readonly comment: string;
  /** JSON, part of the output of the task; empty for none. */
  readonly dataJson: string;
}

/** Answers an `approval` task in the name of the caller. */
export function signalTask(ports: SchedulerPorts): Operation<SignalTaskInput, schedulerV1.SignalTaskResponse> {
  return async (request) => {
    const { runId, taskId, index, approved, comment, dataJson } = request.input;
    assertIndex(index);
    assertLength(comment, 2_000, 'a comment');
    if (dataJson !== '') parseJson(dataJson);
    return callScheduler(ports, request, {
      method: schedulerV1.SchedulerService.method.signalTask,
      rights: [right('approve', runPath(runId))],
      send: (options) => {
        const item = index === undefined ? {} : { index };
        return ports.scheduler.signalTask({ runId, taskId, ...item, approved, comment, dataJson }, options);
      },
    });
  };
}
