import { schedulerV1 } from '@cogmesh/contracts';
import type { Operation } from './operation.js';
import { right } from './right.js';
import { assertLimit, callScheduler, type SchedulerPorts } from './scheduler-call.js';

export interface ListDeliveriesInput {
  readonly webhookId: string;
  /** 1 to 500; 0 means 50. */
  readonly limit: number;
  readonly cursor: string;
}

/** What a webhook was told and how it answered, newest first. */
export function listDeliveries(
  ports: SchedulerPorts,
): Operation<ListDeliveriesInput, schedulerV1.ListDeliveriesResponse> {
  return async (request) => {
    const { webhookId, limit, cursor } = request.input;
    assertLimit(limit);
    return callScheduler(ports, request, {
      method: schedulerV1.SchedulerService.method.listDeliveries,
      rights: [right('read', '/webhooks')],
      send: (options) => ports.scheduler.listDeliveries({ webhookId, page: { limit, cursor } }, options),
    });
  };
}
