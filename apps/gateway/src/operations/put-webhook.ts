import { schedulerV1 } from '@cogmesh/contracts';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Operation } from './operation.js';
import { right } from './right.js';
import { callScheduler, type SchedulerPorts } from './scheduler-call.js';

export interface PutWebhookInput {
  /** Without id: a new one. */
  readonly webhook: MessageInitShape<typeof schedulerV1.WebhookSchema>;
}

/** Makes or replaces a webhook; its secret is only in the answer that makes it. */
export function putWebhook(ports: SchedulerPorts): Operation<PutWebhookInput, schedulerV1.PutWebhookResponse> {
  return async (request) => {
    return callScheduler(ports, request, {
      method: schedulerV1.SchedulerService.method.putWebhook,
      rights: [right('write', '/webhooks')],
      send: (options) => ports.scheduler.putWebhook({ webhook: request.input.webhook }, options),
    });
  };
}
