/**
 * Submits a run: the right to create runs, to infer every model and tool it names, and to read every blob it refers to.
 * The document's text goes to the scheduler as it came; only the scheduler says whether it is a good run.
 */
import { schedulerV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import { authorise } from './authority.js';
import { assertOwned } from './blob-ownership.js';
import { coApprovalIn } from './co-approval.js';
import type { Operation } from './operation.js';
import type { OperationPorts } from './ports.js';
import { documentRights } from './run-document.js';

export interface SubmitRunInput {
  readonly documentJson: string;
  /** Empty for none. */
  readonly idempotencyKey: string;
}

const idempotencyKeyMaxChars = 255;

type Ports = Pick<OperationPorts, 'decisions' | 'calls' | 'scheduler' | 'blobRecords' | 'limits' | 'now'>;

export function submitRun(ports: Ports): Operation<SubmitRunInput, schedulerV1.SubmitRunResponse> {
  return async (request) => {
    const { documentJson, idempotencyKey } = request.input;
    if (idempotencyKey.length > idempotencyKeyMaxChars) {
      throw new CogmeshError('invalid_argument', `an idempotency key has at most ${idempotencyKeyMaxChars} characters`);
    }
    const { organisation } = request.subject;
    const { rights, blobs } = documentRights(documentJson, organisation, ports.limits.runResources);
    const decisions = ports.decisions.withCoApproval(coApprovalIn(documentJson, organisation));
    const permission = await authorise(decisions, request, rights);
    await assertOwned(ports, organisation, blobs);
    return ports.calls.call({
      audience: 'scheduler',
      method: schedulerV1.SchedulerService.method.submitRun,
      permission,
      signal: request.signal,
      send: (options) =>
        ports.scheduler.submitRun(
          { documentJson, idempotencyKey, callerTraceparent: request.callerTraceparent ?? '' },
          options,
        ),
    });
  };
}
