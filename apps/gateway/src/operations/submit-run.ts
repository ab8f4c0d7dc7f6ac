/**
 * Submits a run: the right to create runs, to infer every model and tool it names, and to read every blob it refers to.
 * The document's text goes to the scheduler as it came; only the scheduler says whether it is a good run.
 */
import { schedulerV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import { authorise } from './authority.js';
import type { Operation } from './operation.js';
import type { OperationPorts } from './ports.js';
import { right } from './right.js';
import { namesOf } from './run-document.js';

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
    const names = namesOf(documentJson, organisation, ports.limits.runResources);
    const permission = await authorise(ports.decisions, request, [
      right('create', '/runs'),
      ...names.capabilities.map((path) => right('infer', path)),
      ...names.blobs.map((id) => right('read', `/blobs/${id}`)),
    ]);
    await assertOwned(ports, organisation, names.blobs);
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

/** Another organisation's blob, an expired one and one that never was are all the same: not found. */
async function assertOwned({ blobRecords, now }: Ports, organisation: string, ids: readonly string[]): Promise<void> {
  const found = await blobRecords.present(organisation, ids, now());
  const missing = ids.filter((id) => !found.has(id));
  if (missing.length === 0) return;
  throw new CogmeshError('not_found', `the run refers to a blob that does not exist: ${missing[0]}`, {
    blobs: missing,
  });
}
