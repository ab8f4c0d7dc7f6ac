import { schedulerV1 } from '@cogmesh/contracts';
import type { Operation } from './operation.js';
import { right } from './right.js';
import { callScheduler, type SchedulerPorts } from './scheduler-call.js';

/** Limits, pauses and use of the organisation of the caller and its groups; everything for administrators of the host. */
export function listScopes(ports: SchedulerPorts): Operation<Record<string, never>, schedulerV1.ListScopesResponse> {
  return async (request) => {
    return callScheduler(ports, request, {
      method: schedulerV1.SchedulerService.method.listScopes,
      rights: [right('read', '/limits')],
      send: (options) => ports.scheduler.listScopes({}, options),
    });
  };
}
