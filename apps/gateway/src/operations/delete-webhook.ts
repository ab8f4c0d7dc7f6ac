import { schedulerV1 } from '@cogmesh/contracts';
import type { Operation } from './operation.js';
import { right } from './right.js';
import { callScheduler, type SchedulerPorts } from './scheduler-call.js';

export interface DeleteWebhookInput {
  readonly webhookId: string;
}

/** Removes a webhook; what was not delivered yet is dropped. */
export function deleteWebhook(ports: SchedulerPorts): Operation<DeleteWebhookInput, schedulerV1.DeleteWebhookResponse> {
  return async (request) => {
    return callScheduler(ports, request, {
      method: schedulerV1.SchedulerService.method.deleteWebhook,
      rights: [right('write', '/webhooks')],
      send: (options) => ports.scheduler.deleteWebhook({ webhookId: request.input.webhookId }, options),
    });
  };
}
