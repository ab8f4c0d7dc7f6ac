/** The REST API as a table: what each call takes and answers. gateway.spec.ts holds it against the routes that exist. */
import { partnerCalls } from './partner-paths.js';
import type { Answer, Call, Parameter } from './call.js';
import { auditCalls } from './audit-paths.js';
import { authzenCalls } from './authzen-paths.js';
import { policyVersionCalls } from './policy-paths.js';
import { revocationCalls } from './revocation-paths.js';
import { schedulingCalls } from './scheduling-paths.js';

const runId: Parameter = { name: 'id', in: 'path', description: 'Id of the run.' };
const blobId: Parameter = { name: 'id', in: 'path', description: 'Id of the blob.' };
const anyOutput: Answer = { status: 200, description: 'The output.', schema: 'Output' };

const runCalls: readonly Call[] = [
  {
    method: 'post',
    path: '/v1/runs',
    id: 'submitRun',
    tag: 'Runs',
    summary: 'Submit a run',
    description:
      'Needs `create` on `/runs`, `infer` on every model and tool the run names, and `read` on every blob it refers to. The run is durable when this answers. A `traceparent` of yours becomes a link of the run’s trace.',
    parameters: [
      {
        name: 'Idempotency-Key',
        in: 'header',
        description: 'At most 255 characters. The same key and body again answer the same run.',
      },
    ],
    body: { schema: 'RunDocument', required: true },
    answer: {
      status: 202,
      description: 'Accepted.',
      schema: 'Run',
      headers: { Location: 'Where the run is.', 'Idempotency-Replayed': '`true` when the run existed already.' },
    },
    errors: ['invalid_json', 'invalid_run', 'unknown_model', 'not_found', 'payload_too_large', 'idempotency_conflict'],
  },
  {
    method: 'get',
    path: '/v1/runs',
    id: 'listRuns',
    tag: 'Runs',
    summary: 'List runs, newest first',
    parameters: [
      {
        name: 'limit',
        in: 'query',
        description: 'Runs per page.',
        schema: { type: 'integer', minimum: 1, maximum: 500, default: 50 },
      },
      { name: 'cursor', in: 'query', description: '`nextCursor` of the page before.' },
      {
        name: 'state',
        in: 'query',
        description: 'Only runs in this state.',
        schema: { $ref: '#/components/schemas/RunState' },
      },
      {
        name: 'label',
        in: 'query',
        description: 'Only runs with this label, as `key=value`; may be repeated, at most 8 times.',
        schema: { type: 'array', items: { type: 'string' } },
      },
      {
        name: 'after',
        in: 'query',
        description: 'Created at or after this time.',
        schema: { type: 'string', format: 'date-time' },
      },
      {
        name: 'before',
        in: 'query',
        description: 'Created before this time.',
        schema: { type: 'string', format: 'date-time' },
      },
      { name: 'schedule', in: 'query', description: 'Only runs that the schedule of this id fired.' },
    ],
    answer: { status: 200, description: 'One page.', schema: 'RunPage' },
    errors: ['invalid_argument'],
  },
  {
    method: 'get',
    path: '/v1/runs/{id}',
    id: 'getRun',
    tag: 'Runs',
    summary: 'Read a run',
    parameters: [runId],
    answer: { status: 200, description: 'The run with its tasks.', schema: 'Run' },
    errors: ['not_found'],
  },
  {
    method: 'post',
    path: '/v1/runs/{id}/cancel',
    id: 'cancelRun',
    tag: 'Runs',
    summary: 'Cancel a run',
    description: 'Idempotent. The work stops; a success that comes late loses.',
    parameters: [runId],
    body: { schema: 'CancelRequest', required: false },
    answer: { status: 202, description: 'The run once the wish is recorded.', schema: 'Run' },
    errors: ['invalid_argument', 'not_found'],
  },
  {
    method: 'get',
    path: '/v1/runs/{id}/output',
    id: 'getOutput',
    tag: 'Runs',
    summary: 'Read a run’s output',
    parameters: [runId],
    answer: anyOutput,
    errors: ['not_found'],
  },
  {
    method: 'get',
    path: '/v1/runs/{id}/tasks/{task}/output',
    id: 'getTaskOutput',
    tag: 'Runs',
    summary: 'Read a task’s output',
    parameters: [
      runId,
      { name: 'task', in: 'path', description: 'Id of the task.' },
      {
        name: 'index',
        in: 'query',
        description: 'One item of a `forEach` task, from 0.',
        schema: { type: 'integer', minimum: 0 },
      },
    ],
    answer: anyOutput,
    errors: ['invalid_argument', 'not_found'],
  },
  {
    method: 'get',
    path: '/v1/runs/{id}/events',
    id: 'watchRun',
    tag: 'Runs',
    summary: 'Watch a run (server-sent events)',
    description:
      'Stored history first, then live; `event:` is one of `run.state`, `task.state`, `task.progress`, `run.done`, `id:` the sequence number, `data:` a RunEvent. Reconnecting with `Last-Event-ID` goes on without a gap.',
    parameters: [
      runId,
      {
        name: 'Last-Event-ID',
        in: 'header',
        description: 'Sequence number of the last event seen.',
        schema: { type: 'integer', minimum: 0 },
      },
    ],
    answer: {
      status: 200,
      description: 'Events until the run is over.',
      mediaType: 'text/event-stream',
      schema: 'RunEvent',
    },
    also: [{ status: 204, description: 'The run is over and everything was seen.' }],
    errors: ['invalid_argument', 'not_found'],
  },
  {
    method: 'get',
    path: '/v1/runs/{id}/trace',
    id: 'getTrace',
    tag: 'Runs',
    summary: 'Read a run’s trace',
    parameters: [runId],
    answer: { status: 200, description: 'Its spans by start time.', schema: 'Trace' },
    errors: ['not_found', 'unimplemented'],
  },
];

const blobCalls: readonly Call[] = [
  {
    method: 'post',
    path: '/v1/blobs',
    id: 'putBlob',
    tag: 'Blobs',
    summary: 'Upload a blob',
    description: 'The raw bytes are the body. Kept for a limited time.',
    parameters: [{ name: 'Content-Type', in: 'header', description: 'Media type of the bytes.' }],
    body: { mediaType: '*/*', required: true },
    answer: { status: 201, description: 'Stored.', schema: 'Blob', headers: { Location: 'Where the blob is.' } },
    errors: ['payload_too_large', 'unsupported_media_type'],
  },
  {
    method: 'get',
    path: '/v1/blobs/{id}',
    id: 'getBlob',
    tag: 'Blobs',
    summary: 'Download a blob',
    parameters: [blobId, { name: 'If-None-Match', in: 'header', description: 'An ETag that is held already.' }],
    answer: { status: 200, description: 'The bytes.', mediaType: '*/*', headers: { ETag: 'Digest of the bytes.' } },
    also: [{ status: 304, description: 'The bytes that are held already.' }],
    errors: ['not_found'],
  },
  {
    method: 'delete',
    path: '/v1/blobs/{id}',
    id: 'deleteBlob',
    tag: 'Blobs',
    summary: 'Delete a blob',
    description: 'Needs `write` on it.',
    parameters: [blobId],
    answer: { status: 204, description: 'Gone.' },
    errors: ['not_found'],
  },
];

const meshCalls: readonly Call[] = [
  {
    method: 'get',
    path: '/v1/models',
    id: 'listModels',
    tag: 'Mesh',
    summary: 'List the models you may infer',
    answer: { status: 200, description: 'Models that agents serve now.', schema: 'ModelList' },
  },
  {
    method: 'get',
    path: '/v1/agents',
    id: 'listAgents',
    tag: 'Mesh',
    summary: 'List your organisation’s agents',
    answer: { status: 200, description: 'Agents connected now.', schema: 'AgentList' },
  },
  {
    method: 'get',
    path: '/v1/whoami',
    id: 'whoAmI',
    tag: 'Mesh',
    summary: 'Who this token is',
    answer: {
      status: 200,
      description: 'The subject, with the organisation its issuer is registered for.',
      schema: 'Subject',
    },
  },
];

const policyCalls: readonly Call[] = [
  {
    method: 'post',
    path: '/v1/policy/explain',
    id: 'explainPolicy',
    tag: 'Policies',
    summary: 'Why a request of yours would be allowed or denied',
    body: { schema: 'ExplainRequest', required: true },
    answer: { status: 200, description: 'The decision and what each rule did.', schema: 'Explanation' },
    errors: ['invalid_json', 'invalid_argument'],
  },
  {
    method: 'get',
    path: '/v1/policies',
    id: 'getPolicies',
    tag: 'Policies',
    summary: 'Read your organisation’s policies',
    answer: {
      status: 200,
      description: 'The policy set and its epoch.',
      schema: 'HeldPolicies',
      headers: { ETag: 'The epoch.' },
    },
  },
  {
    method: 'put',
    path: '/v1/policies',
    id: 'putPolicies',
    tag: 'Policies',
    summary: 'Replace your organisation’s policies',
    parameters: [
      {
        name: 'If-Match',
        in: 'header',
        description: 'The ETag the change is based on; without it the last writer wins.',
      },
      { name: 'note', in: 'query', description: 'What the change is for; at most 500 characters.' },
    ],
    body: { schema: 'PolicySet', required: true },
    answer: { status: 200, description: 'The new epoch.', schema: 'PolicyEpoch', headers: { ETag: 'The epoch.' } },
    errors: ['invalid_json', 'invalid_policy', 'invalid_argument', 'conflict', 'payload_too_large'],
  },
];

const operationsCalls: readonly Call[] = [
  {
    method: 'get',
    path: '/healthz',
    id: 'healthz',
    tag: 'Operations',
    summary: 'Whether the process answers',
    open: true,
    answer: { status: 200, description: 'It does.' },
  },
  {
    method: 'get',
    path: '/readyz',
    id: 'readyz',
    tag: 'Operations',
    summary: 'Whether the gateway can serve',
    open: true,
    answer: { status: 200, description: 'It can.', schema: 'Readiness' },
    also: [{ status: 503, description: 'Not now; `checks` says why.', schema: 'Readiness' }],
  },
  {
    method: 'get',
    path: '/openapi.json',
    id: 'openApi',
    tag: 'Operations',
    summary: 'This description',
    open: true,
    answer: { status: 200, description: 'OpenAPI 3.1.' },
  },
  {
    method: 'get',
    path: '/docs',
    id: 'docs',
    tag: 'Operations',
    summary: 'This description to read',
    open: true,
    answer: { status: 200, description: 'A page.', mediaType: 'text/html' },
  },
];

export const calls: readonly Call[] = [
  ...runCalls,
  ...revocationCalls,
  ...schedulingCalls,
  ...blobCalls,
  ...meshCalls,
  ...policyCalls,
  ...policyVersionCalls,
  ...partnerCalls,
  ...auditCalls,
  ...authzenCalls,
  ...operationsCalls,
];
