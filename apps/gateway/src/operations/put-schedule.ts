/** Makes or replaces a schedule: the right to make schedules, and every right that submitting its document would need. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { schedulerV1 } from '@cogmesh/contracts';
import { assertOwned } from './blob-ownership.js';
import type { Operation } from './operation.js';
import type { OperationPorts } from './ports.js';
import { right } from './right.js';
import { documentRights } from './run-document.js';
import { callScheduler, type SchedulerPorts } from './scheduler-call.js';

export interface PutScheduleInput {
  /** By name: makes it or replaces it. */
  readonly schedule: MessageInitShape<typeof schedulerV1.ScheduleSchema> & { readonly documentJson: string };
}

type Ports = SchedulerPorts & Pick<OperationPorts, 'blobRecords' | 'limits' | 'now'>;

export function putSchedule(ports: Ports): Operation<PutScheduleInput, schedulerV1.PutScheduleResponse> {
  return async (request) => {
    const { schedule } = request.input;
    const { organisation } = request.subject;
    const { rights, blobs } = documentRights(schedule.documentJson, organisation, ports.limits.runResources);
    return callScheduler(ports, request, {
      method: schedulerV1.SchedulerService.method.putSchedule,
      rights: [right('create', '/schedules'), ...rights],
      send: async (options) => {
        // After the decision: who may not ask learns nothing about blobs.
        await assertOwned(ports, organisation, blobs);
        return ports.scheduler.putSchedule({ schedule }, options);
      },
    });
  };
}
