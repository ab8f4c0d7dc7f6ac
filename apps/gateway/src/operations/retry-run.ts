/**
 * A new run of an old one's document. The caller must have every right that submitting the document would need. What the
 * document names is read from the old run; what only the stored document tells (nested runs, blobs), the scheduler names
 * when it finds the permit short, and it is then asked for too, once.
 */
import { schedulerV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import type { Access } from '@cogmesh/rpc';
import { assertOwned } from './blob-ownership.js';
import { getRun } from './get-run.js';
import type { Operation } from './operation.js';
import type { OperationPorts } from './ports.js';
import { right } from './right.js';
import { capabilityPath, valueNames } from './run-document.js';
import { assertLength, callScheduler, type SchedulerPorts } from './scheduler-call.js';

export interface RetryRunInput {
  readonly runId: string;
  /** True: only what did not succeed runs again. */
  readonly fromFailed: boolean;
  /** JSON in place of the run's input; empty keeps it. */
  readonly inputJson: string;
  /** Empty for none. */
  readonly idempotencyKey: string;
}

type Ports = SchedulerPorts & Pick<OperationPorts, 'blobRecords' | 'limits' | 'now'>;

export function retryRun(ports: Ports): Operation<RetryRunInput, schedulerV1.RetryRunResponse> {
  const readRun = getRun(ports);
  return async (request) => {
    const { runId, fromFailed, inputJson, idempotencyKey } = request.input;
    assertLength(idempotencyKey, 255, 'an idempotency key');
    if (fromFailed && inputJson !== '') {
      throw new CogmeshError('invalid_argument', 'a retry from the failed tasks keeps the input of the run');
    }
    const { organisation } = request.subject;
    const blobs = inputJson === '' ? [] : valueNames(inputJson, ports.limits.runResources);
    const { run } = await readRun({ ...request, input: { runId } });
    const paths = new Set((run?.tasks ?? []).map(({ uses }) => capabilityPath(uses, organisation)));
    const rights = [
      right('create', '/runs'),
      ...[...paths].flatMap((path) => (path === undefined ? [] : [right('infer', path)])),
      ...blobs.map((id) => right('read', `/blobs/${id}`)),
    ];
    const send = (asked: readonly Access[]) =>
      callScheduler(ports, request, {
        method: schedulerV1.SchedulerService.method.retryRun,
        rights: asked,
        send: async (options) => {
          await assertOwned(ports, organisation, blobs);
          return ports.scheduler.retryRun({ runId, fromFailed, inputJson, idempotencyKey }, options);
        },
      });
    return send(rights).catch((thrown: unknown) => send([...rights, ...missingRights(thrown, rights)]));
  };
}

/** Rights the scheduler found missing in the permit and nobody asked for yet; any other failure is thrown on. */
function missingRights(thrown: unknown, asked: readonly Access[]): Access[] {
  const missing =
    thrown instanceof CogmeshError && thrown.code === 'permission_denied' ? thrown.details['missing'] : [];
  const rights = (Array.isArray(missing) ? (missing as unknown[]) : []).filter(isAccess);
  const fresh = rights.filter(
    (one) => !asked.some((has) => has.action === one.action && has.resource === one.resource),
  );
  if (fresh.length === 0) throw thrown;
  return fresh.map(({ action, resource }) => right(action, resource));
}

function isAccess(value: unknown): value is Access {
  const { action, resource } = (value ?? {}) as Partial<Access>;
  return typeof action === 'string' && typeof resource === 'string';
}
