import { schedulerV1 } from '@cogmesh/contracts';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Operation } from './operation.js';
import { right } from './right.js';
import { callScheduler, type SchedulerPorts } from './scheduler-call.js';

export interface PutScopeInput {
  readonly scope: MessageInitShape<typeof schedulerV1.ScopeSchema>;
}

/** Replaces the limits of one scope. What only administrators of the host may set, the scheduler refuses to others. */
export function putScope(ports: SchedulerPorts): Operation<PutScopeInput, schedulerV1.PutScopeResponse> {
  return async (request) => {
    return callScheduler(ports, request, {
      method: schedulerV1.SchedulerService.method.putScope,
      rights: [right('write', '/limits')],
      send: (options) => ports.scheduler.putScope({ scope: request.input.scope }, options),
    });
  };
}
