import { schedulerV1 } from '@cogmesh/contracts';
import type { Operation } from './operation.js';
import { right } from './right.js';
import { callScheduler, type SchedulerPorts } from './scheduler-call.js';

/** The webhooks of the organisation of the caller, without secrets. */
export function listWebhooks(
  ports: SchedulerPorts,
): Operation<Record<string, never>, schedulerV1.ListWebhooksResponse> {
  return async (request) => {
    return callScheduler(ports, request, {
      method: schedulerV1.SchedulerService.method.listWebhooks,
      rights: [right('read', '/webhooks')],
      send: (options) => ports.scheduler.listWebhooks({}, options),
    });
  };
}
