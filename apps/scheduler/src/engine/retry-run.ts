/** A new run of an old one's document: whole, or from what did not succeed on. The old run is never changed. */
import { createHash } from 'node:crypto';
import { CogmeshError } from '@cogmesh/errors';
import {
  accessNeededBy,
  dependenciesOf,
  isTerminalRun,
  planAdoption,
  readRunInput,
  type NeededAccess,
  type RunRow,
} from '@cogmesh/scheduling-core';
import { readOrigin } from '../adapters/sql-adoption.js';
import { acceptSubmission, checkIdempotencyKey, type SubmitContext, type Submitted } from './submit-run.js';

export interface RetryRequest {
  readonly origin: RunRow;
  readonly fromFailed: boolean;
  /** Empty keeps the input. */
  readonly inputJson: string;
  readonly idempotencyKey: string;
  readonly submittedBy: string;
  /** As submitterText writes it. */
  readonly submitter: string;
  /** Of the call's span. */
  readonly traceparent: string;
  readonly requireAccess: (needed: readonly NeededAccess[]) => void;
}

export async function retryRun(context: SubmitContext, request: RetryRequest): Promise<Submitted> {
  const { origin, fromFailed, inputJson, idempotencyKey } = request;
  const { organisation } = origin;
  checkIdempotencyKey(idempotencyKey);
  assertPossible(request);
  const old = await readOrigin(context.database, origin);
  const plan = inputJson === '' ? old.plan : { ...old.plan, input: readRunInput(inputJson) };
  request.requireAccess(accessNeededBy(plan, organisation));
  const adopted = fromFailed ? planAdoption(old.tasks, dependenciesOf(plan.tasks)) : new Set<string>();
  const identity = JSON.stringify(['retry', origin.id, fromFailed, inputJson]);
  const runId = context.newRunId();
  return acceptSubmission(context, {
    runId,
    organisation,
    shard: context.placement.shardOf(organisation, runId),
    submittedBy: request.submittedBy,
    submitter: request.submitter,
    plan,
    traceparent: request.traceparent,
    callerTraceparent: origin.traceparent,
    idempotencyKey,
    requestSha256: createHash('sha256').update(identity).digest('hex'),
    origin: { runId: origin.id, adopted },
  });
}

function assertPossible({ origin, fromFailed, inputJson }: RetryRequest): void {
  if (!isTerminalRun(origin.state))
    throw new CogmeshError('failed_precondition', `run ${origin.id} is not over yet, it is ${origin.state}`);
  if (!fromFailed) return;
  if (origin.state === 'SUCCEEDED')
    throw new CogmeshError('failed_precondition', `run ${origin.id} succeeded; only a whole new run can be made of it`);
  if (inputJson !== '')
    throw new CogmeshError('invalid_argument', 'a retry from the failed tasks keeps the input of the run');
}
