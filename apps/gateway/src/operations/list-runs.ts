import { schedulerV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import { authorise } from './authority.js';
import type { Operation } from './operation.js';
import type { OperationPorts } from './ports.js';
import { right } from './right.js';

export interface ListRunsInput {
  /** 1 to 500; 0 means 50. */
  readonly limit: number;
  readonly cursor: string;
  readonly state: schedulerV1.RunState;
}

const pageMax = 500;

type Ports = Pick<OperationPorts, 'decisions' | 'calls' | 'scheduler'>;

/** The caller's organisation's runs, newest first, without tasks. */
export function listRuns(ports: Ports): Operation<ListRunsInput, schedulerV1.ListRunsResponse> {
  return async (request) => {
    const { limit, cursor, state } = request.input;
    if (!Number.isInteger(limit) || limit < 0 || limit > pageMax) {
      throw new CogmeshError('invalid_argument', `limit is a whole number from 1 to ${pageMax}`, { limit });
    }
    const permission = await authorise(ports.decisions, request, [right('list', '/runs')]);
    return ports.calls.call({
      audience: 'scheduler',
      method: schedulerV1.SchedulerService.method.listRuns,
      permission,
      signal: request.signal,
      send: (options) => ports.scheduler.listRuns({ page: { limit, cursor }, state }, options),
    });
  };
}
