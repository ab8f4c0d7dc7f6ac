import { schedulerV1 } from '@cogmesh/contracts';
import { authorise } from './authority.js';
import type { Operation } from './operation.js';
import type { OperationPorts } from './ports.js';
import { right } from './right.js';
import { runPath } from './resource-path.js';

export interface GetRunInput {
  readonly runId: string;
}

type Ports = Pick<OperationPorts, 'decisions' | 'calls' | 'scheduler'>;

/** One run with its tasks. Rejects with `not_found` for another organisation's run as for one that never was. */
export function getRun(ports: Ports): Operation<GetRunInput, schedulerV1.GetRunResponse> {
  return async (request) => {
    const { runId } = request.input;
    const permission = await authorise(ports.decisions, request, [right('read', runPath(runId))]);
    return ports.calls.call({
      audience: 'scheduler',
      method: schedulerV1.SchedulerService.method.getRun,
      permission,
      signal: request.signal,
      send: (options) => ports.scheduler.getRun({ runId }, options),
    });
  };
}
