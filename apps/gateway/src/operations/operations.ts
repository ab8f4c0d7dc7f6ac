/** Every use case, built once and shared by both faces. */
import type { policyV1, registryV1, schedulerV1 } from '@cogmesh/contracts';
import type { OutsideSubject } from '@cogmesh/rpc';
import type { BlobRecord } from '../blobs/blob-records.js';
import { cancelRun, type CancelRunInput } from './cancel-run.js';
import { deleteBlob } from './delete-blob.js';
import { explainPolicy, type ExplainPolicyInput, type Explanation } from './explain-policy.js';
import { getBlob, type GetBlobInput, type OpenBlob } from './get-blob.js';
import { getOutput, type GetOutputInput } from './get-output.js';
import { getRun, type GetRunInput } from './get-run.js';
import { getTrace, type GetTraceInput, type Trace } from './get-trace.js';
import { listAgents } from './list-agents.js';
import { listModels, type ModelView } from './list-models.js';
import { listRuns, type ListRunsInput } from './list-runs.js';
import { getPolicies, putPolicies, type PutPoliciesInput } from './policies.js';
import type { Operation } from './operation.js';
import type { OperationPorts } from './ports.js';
import { putBlob, type PutBlobInput } from './put-blob.js';
import { submitRun, type SubmitRunInput } from './submit-run.js';
import { watchRun, type Watch, type WatchRunInput } from './watch-run.js';
import { whoAmI } from './who-am-i.js';

type Nothing = Record<string, never>;

export interface Operations {
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
  readonly putPolicies: Operation<PutPoliciesInput, policyV1.PutPoliciesResponse>;
}

export function buildOperations(ports: OperationPorts): Operations {
  return {
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
    putPolicies: putPolicies(ports),
  };
}
