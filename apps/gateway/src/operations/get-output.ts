import { schedulerV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import { authorise } from './authority.js';
import type { Operation } from './operation.js';
import type { OperationPorts } from './ports.js';
import { runPath } from './resource-path.js';
import { right } from './right.js';

export interface GetOutputInput {
  readonly runId: string;
  /** Empty for the run's own output. */
  readonly taskId: string;
  /** One item of a `forEach` task, from 0. */
  readonly index?: number;
}

type Ports = Pick<OperationPorts, 'decisions' | 'calls' | 'scheduler'>;

/** The output as JSON text; empty while there is none. */
export function getOutput(ports: Ports): Operation<GetOutputInput, schedulerV1.GetOutputResponse> {
  return async (request) => {
    const { runId, taskId, index } = request.input;
    if (index !== undefined && (!Number.isInteger(index) || index < 0)) {
      throw new CogmeshError('invalid_argument', 'index is a whole number from 0', { index });
    }
    const permission = await authorise(ports.decisions, request, [right('read', runPath(runId))]);
    return ports.calls.call({
      audience: 'scheduler',
      method: schedulerV1.SchedulerService.method.getOutput,
      permission,
      signal: request.signal,
      send: (options) =>
        ports.scheduler.getOutput({ runId, taskId, ...(index === undefined ? {} : { index }) }, options),
    });
  };
}
