/** Every use case, built once and shared by both faces. */
import type { policyV1, registryV1, schedulerV1 } from '@cogmesh/contracts';
import type { OutsideSubject } from '@cogmesh/rpc';
import type { BlobRecord } from '../blobs/blob-records.js';
import { audit, type AuditOperations } from './audit.js';
import { cancelRun, type CancelRunInput } from './cancel-run.js';
import { deleteBlob } from './delete-blob.js';
import { evaluateAccess, type AccessAnswer, type EvaluateAccessInput } from './evaluate-access.js';
import { searchAccess, type FoundPage } from './search-access.js';
import type { SearchRequest } from '../authzen/search-request.js';
import { explainPolicy, type ExplainPolicyInput, type Explanation } from './explain-policy.js';
import { getBlob, type GetBlobInput, type OpenBlob } from './get-blob.js';
import { getOutput, type GetOutputInput } from './get-output.js';
import { getRun, type GetRunInput } from './get-run.js';
import { getTrace, type GetTraceInput, type Trace } from './get-trace.js';
import { grantOperations, type GrantOperations } from './grants.js';
import { issuerOperations, type IssuerOperations } from './issuers.js';
import { listAgents } from './list-agents.js';
import { listModels, type ModelView } from './list-models.js';
import { listRuns, type ListRunsInput } from './list-runs.js';
import { getPolicies, putPolicies, type PutPoliciesInput } from './policies.js';
import { policyVersions, type PolicyVersionOperations } from './policy-versions.js';
import type { Operation } from './operation.js';
import type { OperationPorts } from './ports.js';
import { putBlob, type PutBlobInput } from './put-blob.js';
import { submitRun, type SubmitRunInput } from './submit-run.js';
import { watchRun, type Watch, type WatchRunInput } from './watch-run.js';
import { whoAmI } from './who-am-i.js';
import { revocationOperations, type RevocationOperations } from './revocations.js';
import { retryRun, type RetryRunInput } from './retry-run.js';
import { pauseRun, type PauseRunInput } from './pause-run.js';
import { resumeRun, type ResumeRunInput } from './resume-run.js';
import { setPriority, type SetPriorityInput } from './set-priority.js';
import { signalTask, type SignalTaskInput } from './signal-task.js';
import { explainWaiting, type ExplainWaitingInput } from './explain-waiting.js';
import { listScopes } from './list-scopes.js';
import { putScope, type PutScopeInput } from './put-scope.js';
import { putSchedule, type PutScheduleInput } from './put-schedule.js';
import { getSchedule, type GetScheduleInput } from './get-schedule.js';
import { listSchedules, type ListSchedulesInput } from './list-schedules.js';
import { deleteSchedule, type DeleteScheduleInput } from './delete-schedule.js';
import { triggerSchedule, type TriggerScheduleInput } from './trigger-schedule.js';
import { backfillSchedule, type BackfillScheduleInput } from './backfill-schedule.js';
import { putWebhook, type PutWebhookInput } from './put-webhook.js';
import { listWebhooks } from './list-webhooks.js';
import { deleteWebhook, type DeleteWebhookInput } from './delete-webhook.js';
import { listDeliveries, type ListDeliveriesInput } from './list-deliveries.js';
import { listDeadLetters, type ListDeadLettersInput } from './list-dead-letters.js';
import { replayDeadLetter, type ReplayDeadLetterInput } from './replay-dead-letter.js';

type Nothing = Record<string, never>;

export interface Operations extends IssuerOperations, GrantOperations, RevocationOperations {
  readonly submitRun: Operation<SubmitRunInput, schedulerV1.SubmitRunResponse>;
  readonly getRun: Operation<GetRunInput, schedulerV1.GetRunResponse>;
  readonly listRuns: Operation<ListRunsInput, schedulerV1.ListRunsResponse>;
  readonly cancelRun: Operation<CancelRunInput, schedulerV1.CancelRunResponse>;
  readonly getOutput: Operation<GetOutputInput, schedulerV1.GetOutputResponse>;
  readonly watchRun: Operation<WatchRunInput, Watch>;
  readonly getTrace: Operation<GetTraceInput, Trace>;
  readonly putBlob: Operation<PutBlobInput, BlobRecord>;
  readonly getBlob: Operation<GetBlobInput, OpenBlob>;
  readonly deleteBlob: Operation<GetBlobInput, void>;
  readonly listModels: Operation<Nothing, readonly ModelView[]>;
  readonly listAgents: Operation<Nothing, readonly registryV1.Agent[]>;
  readonly whoAmI: Operation<Nothing, OutsideSubject>;
  readonly explainPolicy: Operation<ExplainPolicyInput, Explanation>;
  readonly getPolicies: Operation<Nothing, policyV1.GetPoliciesResponse>;
  readonly audit: AuditOperations;
  readonly policyVersions: PolicyVersionOperations;
  readonly putPolicies: Operation<PutPoliciesInput, policyV1.PutPoliciesResponse>;
  readonly evaluateAccess: Operation<EvaluateAccessInput, readonly AccessAnswer[]>;
  readonly searchAccess: Operation<SearchRequest, FoundPage>;
  readonly retryRun: Operation<RetryRunInput, schedulerV1.RetryRunResponse>;
  readonly pauseRun: Operation<PauseRunInput, schedulerV1.PauseRunResponse>;
  readonly resumeRun: Operation<ResumeRunInput, schedulerV1.ResumeRunResponse>;
  readonly setPriority: Operation<SetPriorityInput, schedulerV1.SetPriorityResponse>;
  readonly signalTask: Operation<SignalTaskInput, schedulerV1.SignalTaskResponse>;
  readonly explainWaiting: Operation<ExplainWaitingInput, schedulerV1.ExplainWaitingResponse>;
  readonly listScopes: Operation<Nothing, schedulerV1.ListScopesResponse>;
  readonly putScope: Operation<PutScopeInput, schedulerV1.PutScopeResponse>;
  readonly putSchedule: Operation<PutScheduleInput, schedulerV1.PutScheduleResponse>;
  readonly getSchedule: Operation<GetScheduleInput, schedulerV1.GetScheduleResponse>;
  readonly listSchedules: Operation<ListSchedulesInput, schedulerV1.ListSchedulesResponse>;
  readonly deleteSchedule: Operation<DeleteScheduleInput, schedulerV1.DeleteScheduleResponse>;
  readonly triggerSchedule: Operation<TriggerScheduleInput, schedulerV1.TriggerScheduleResponse>;
  readonly backfillSchedule: Operation<BackfillScheduleInput, schedulerV1.BackfillScheduleResponse>;
  readonly putWebhook: Operation<PutWebhookInput, schedulerV1.PutWebhookResponse>;
  readonly listWebhooks: Operation<Nothing, schedulerV1.ListWebhooksResponse>;
  readonly deleteWebhook: Operation<DeleteWebhookInput, schedulerV1.DeleteWebhookResponse>;
  readonly listDeliveries: Operation<ListDeliveriesInput, schedulerV1.ListDeliveriesResponse>;
  readonly listDeadLetters: Operation<ListDeadLettersInput, schedulerV1.ListDeadLettersResponse>;
  readonly replayDeadLetter: Operation<ReplayDeadLetterInput, schedulerV1.ReplayDeadLetterResponse>;
}

export function buildOperations(ports: OperationPorts): Operations {
  return {
    ...issuerOperations(ports),
    ...grantOperations(ports),
    submitRun: submitRun(ports),
    getRun: getRun(ports),
    listRuns: listRuns(ports),
    cancelRun: cancelRun(ports),
    getOutput: getOutput(ports),
    watchRun: watchRun(ports),
    getTrace: getTrace(ports),
    putBlob: putBlob(ports),
    getBlob: getBlob(ports),
    deleteBlob: deleteBlob(ports),
    listModels: listModels(ports),
    listAgents: listAgents(ports),
    whoAmI: whoAmI(),
    explainPolicy: explainPolicy(ports),
    getPolicies: getPolicies(ports),
    audit: audit(ports),
    policyVersions: policyVersions(ports),
    putPolicies: putPolicies(ports),
    evaluateAccess: evaluateAccess(ports),
    searchAccess: searchAccess(ports),
    ...revocationOperations(ports),
    retryRun: retryRun(ports),
    pauseRun: pauseRun(ports),
    resumeRun: resumeRun(ports),
    setPriority: setPriority(ports),
    signalTask: signalTask(ports),
    explainWaiting: explainWaiting(ports),
    listScopes: listScopes(ports),
    putScope: putScope(ports),
    putSchedule: putSchedule(ports),
    getSchedule: getSchedule(ports),
    listSchedules: listSchedules(ports),
    deleteSchedule: deleteSchedule(ports),
    triggerSchedule: triggerSchedule(ports),
    backfillSchedule: backfillSchedule(ports),
    putWebhook: putWebhook(ports),
    listWebhooks: listWebhooks(ports),
    deleteWebhook: deleteWebhook(ports),
    listDeliveries: listDeliveries(ports),
    listDeadLetters: listDeadLetters(ports),
    replayDeadLetter: replayDeadLetter(ports),
  };
}
