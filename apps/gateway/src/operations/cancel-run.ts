import { schedulerV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import { authorise } from './authority.js';
import type { Operation } from './operation.js';
import type { OperationPorts } from './ports.js';
import { runPath } from './resource-path.js';
import { right } from './right.js';

export interface CancelRunInput {
  readonly runId: string;
  /** Shown in the history; empty for none. */
  readonly reason: string;
}

const reasonMaxChars = 500;

type Ports = Pick<OperationPorts, 'decisions' | 'calls' | 'scheduler'>;

/** Asks for the run to stop. Idempotent; answers the run as it stands once the wish is recorded. */
export function cancelRun(ports: Ports): Operation<CancelRunInput, schedulerV1.CancelRunResponse> {
  return async (request) => {
    const { runId, reason } = request.input;
    if (reason.length > reasonMaxChars) {
      throw new CogmeshError('invalid_argument', `a reason has at most ${reasonMaxChars} characters`);
    }
    const permission = await authorise(ports.decisions, request, [right('cancel', runPath(runId))]);
    return ports.calls.call({
      audience: 'scheduler',
      method: schedulerV1.SchedulerService.method.cancelRun,
      permission,
      signal: request.signal,
      send: (options) => ports.scheduler.cancelRun({ runId, reason }, options),
    });
  };
}
