/**
 * The bodies of the REST API as zod schemas: they check what comes in, type what goes out (http/views.ts), and become the
 * components of the OpenAPI document. A run's document is checked by the scheduler; its schema here is documentation.
 */
import { z } from 'zod';

const timeOrNull = z.iso.datetime().nullable();
const anyJson = z.unknown().meta({ description: 'Any JSON value.' });

export const ErrorInfo = z.object({
  code: z.string().meta({ description: 'Stable code.' }),
  message: z.string(),
  retryable: z.boolean(),
  details: anyJson,
});

export const BlobReference = z.object({
  $blob: z.string().meta({ description: 'Id of a blob.', examples: ['blob_01JDGS3A6Y0000000000000000'] }),
  mediaType: z.string().optional(),
  bytes: z.int().optional(),
});

export const Output = z.union([BlobReference, anyJson]).meta({
  description: 'Any JSON value; null while there is none; a reference where it is over 64 KiB.',
});

const runStates = ['PENDING', 'RUNNING', 'PAUSED', 'CANCELLING', 'SUCCEEDED', 'FAILED', 'CANCELLED'] as const;
const taskStates = [
  'BLOCKED',
  'READY',
  'CLAIMED',
  'PUBLISHED',
  'RUNNING',
  'RETRY_WAIT',
  'WAITING',
  'SUCCEEDED',
  'FAILED',
  'CANCELLED',
  'SKIPPED',
] as const;
export const RunState = z.enum(runStates);
export const TaskState = z.enum(taskStates);

const retryPolicy = z.object({
  maxAttempts: z.int().min(1).optional(),
  backoffMs: z.int().min(0).optional().meta({ description: 'Wait before the second attempt, milliseconds.' }),
  maxBackoffMs: z.int().min(0).optional(),
  factor: z.number().min(1).optional().meta({ description: 'Each wait is this much longer than the last.' }),
  jitter: z.number().min(0).max(1).optional().meta({ description: 'Part of a wait that is random.' }),
  on: z.array(z.string()).optional().meta({ description: 'Only errors with these codes are tried again.' }),
  notOn: z.array(z.string()).optional(),
});

export const TaskDocument = z.object({
  id: z.string().regex(/^[a-z][a-z0-9_-]{0,62}$/),
  uses: z.string().meta({
    description:
      '`model:<org>/<name>[@range]`, `model:<name>`, `tool:<org>/<name>`, `script`, `sleep`, `approval` or `run`.',
  }),
  input: anyJson.optional(),
  depends: z.array(z.string()).optional(),
  forEach: z.string().optional().meta({ description: 'Expression that yields a list; the task runs once per item.' }),
  maxParallel: z.int().min(1).optional(),
  itemFailure: z
    .enum(['fail', 'continue'])
    .optional()
    .meta({ description: 'With `continue`, an item that failed is null in the list.' }),
  when: z.string().optional().meta({ description: 'Expression; false skips the task.' }),
  script: z.string().optional().meta({ description: 'For `uses: script`: a function body with `input` in scope.' }),
  document: anyJson.optional().meta({ description: 'For `uses: run`: the document of the nested run.' }),
  priority: z.int().min(0).max(9).optional(),
  timeoutMs: z.int().min(1).optional().meta({ description: 'Start to close.' }),
  queueTimeoutMs: z.int().min(1).optional().meta({ description: 'Ready to start.' }),
  heartbeatTimeoutMs: z.int().min(1).optional().meta({ description: 'Longest silence of a running attempt.' }),
  retry: retryPolicy.optional(),
  onFailure: z.enum(['fail', 'continue', 'ignore']).optional(),
  concurrencyGroup: z.string().optional().meta({ description: 'Group whose limits it counts against.' }),
  affinity: z.record(z.string(), z.string()).optional().meta({ description: 'Only agents with all of these labels.' }),
});

export const RunDocument = z
  .object({
    name: z.string().optional(),
    priority: z.int().min(0).max(9).optional().meta({ description: 'Higher first; default 5.' }),
    labels: z.record(z.string(), z.string()).optional(),
    deadlineMs: z.int().min(1).optional(),
    input: anyJson.optional(),
    tasks: z.array(TaskDocument).min(1).max(10_000),
    output: anyJson.optional().meta({ description: 'Any JSON value; `${{ }}` holds expressions.' }),
  })
  .meta({ description: 'A DAG of tasks. A blob goes into an input as `{ "$blob": "blob_…" }`.' });

export const Task = z.object({
  id: z.string(),
  uses: z.string(),
  state: TaskState,
  attempt: z.int(),
  agent: z.string().nullable(),
  queuedMs: z.int().meta({ description: 'Milliseconds from ready to started.' }),
  runMs: z.int().meta({ description: 'Milliseconds from started to finished.' }),
  items: z.object({ total: z.int(), succeeded: z.int(), failed: z.int() }).nullable(),
  error: ErrorInfo.nullable(),
  waiting: z
    .object({ code: z.string(), message: z.string() })
    .nullable()
    .meta({ description: 'Why it is not running yet.' }),
  depends: z.array(z.string()),
});

export const RunSummary = z.object({
  id: z.string(),
  name: z.string(),
  organisation: z.string(),
  state: RunState,
  priority: z.int(),
  labels: z.record(z.string(), z.string()),
  createdAt: timeOrNull,
  startedAt: timeOrNull,
  finishedAt: timeOrNull,
  traceId: z.string(),
  submittedBy: z.string(),
  sequence: z.int().meta({ description: 'Of the newest event.' }),
  error: ErrorInfo.nullable(),
  paused: z.boolean().meta({ description: 'Nothing new of it starts.' }),
  originRun: z.string().nullable().meta({ description: 'Run that this one retries or repeats.' }),
  parentRun: z.string().nullable().meta({ description: 'Run whose task started this one.' }),
  parentTask: z.string().nullable(),
  schedule: z.string().nullable().meta({ description: 'Id of the schedule that fired it.' }),
});

export const Run = RunSummary.extend({ tasks: z.array(Task), output: anyJson });
export const RunPage = z.object({
  runs: z.array(RunSummary),
  nextCursor: z.string().nullable().meta({ description: 'Null on the last page.' }),
});

export const RunEvent = z
  .object({
    sequence: z.int(),
    time: timeOrNull,
    type: z.enum(['run.state', 'task.state', 'task.progress', 'run.done']),
    runState: RunState.optional(),
    taskId: z.string().optional(),
    taskState: TaskState.optional(),
    index: z.int().optional(),
    attempt: z.int().optional(),
    agent: z.string().optional(),
    error: ErrorInfo.nullable().optional(),
    data: anyJson.optional(),
  })
  .meta({ description: 'The `data:` of one server-sent event; `event:` is its type and `id:` its sequence.' });

export const CancelRequest = z.object({ reason: z.string().max(500).default('') });

export const Blob = z.object({
  $blob: z.string(),
  id: z.string(),
  mediaType: z.string(),
  bytes: z.int(),
  sha256: z.string().meta({ description: 'Lower-case hexadecimal.' }),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
});

const inputSchema = anyJson.meta({
  description: 'JSON Schema (2020-12) that the input of a task is held against, or null where it is not checked.',
});

export const Model = z.object({
  name: z.string(),
  version: z.string(),
  ready: z.boolean(),
  agents: z.int(),
  metadata: anyJson.meta({ description: 'Open Inference Protocol model metadata, or null.' }),
  inputSchema,
});
export const ModelList = z.object({ models: z.array(Model) });

export const Agent = z.object({
  id: z.string(),
  name: z.string(),
  organisation: z.string(),
  kind: z.enum(['WORKER', 'SDK']),
  state: z.enum(['STARTING', 'READY', 'DRAINING', 'LOST', 'GONE']),
  capabilities: z.array(
    z.object({
      name: z.string(),
      credits: z.int().meta({ description: 'Work items it takes at once.' }),
      maxCredits: z.int().meta({ description: 'Up to which the mesh may raise its credits; 0 where they are fixed.' }),
      ready: z.boolean(),
      inputSchema,
    }),
  ),
  portrait: z
    .object({
      time: timeOrNull,
      cpu: z.number(),
      gpu: z.number(),
      memoryBytes: z.int(),
      queued: z.int(),
      running: z.int(),
      latencyMs: z.number(),
      warmModels: z.array(z.string()),
      providers: z.array(z.string()),
    })
    .nullable(),
  connectedAt: timeOrNull,
  lastHeartbeatAt: timeOrNull,
  labels: z.record(z.string(), z.string()),
});
export const AgentList = z.object({ agents: z.array(Agent) });

export const Subject = z.object({
  issuer: z.string(),
  sub: z.string(),
  organisation: z.string(),
  roles: z.array(z.string()),
  attributes: z.record(z.string(), z.unknown()),
});

const entity = z.object({ type: z.string(), id: z.string() });
export const ExplainRequest = z.object({
  action: z.string().regex(/^[A-Za-z][A-Za-z0-9_.:-]{0,63}$/),
  resource: z
    .union([z.string().max(1_024), entity])
    .meta({ description: 'A canonical path, or the AuthZEN entity of it.' }),
});
export const Explanation = z.object({
  allowed: z.boolean(),
  code: z.string(),
  reason: z.string(),
  decisionId: z.string(),
  epoch: z.int(),
  grant: z.string().nullable(),
  rules: z.array(
    z.object({
      organisation: z.string(),
      id: z.string(),
      effect: z.string(),
      outcome: z.enum(['matched', 'skipped', 'failed']),
      detail: z.string(),
      condition: z.string(),
    }),
  ),
});

export const PolicySet = z
  .unknown()
  .meta({ description: 'The policy set of an organisation: policies, roles, grants.' });
export const HeldPolicies = z.object({ epoch: z.int(), policySet: PolicySet });
export const PolicyEpoch = z.object({ epoch: z.int() });

export const Trace = z.object({
  traceId: z.string(),
  spans: z.array(
    z.object({
      traceId: z.string(),
      spanId: z.string(),
      parentSpanId: z.string(),
      service: z.string(),
      name: z.string(),
      kind: z.int(),
      startUs: z.number(),
      endUs: z.number(),
      error: z.boolean(),
      statusMessage: z.string(),
      attributes: z.record(z.string(), z.unknown()),
      links: z.array(z.object({ traceId: z.string(), spanId: z.string() })),
    }),
  ),
});

const check = z.object({ ready: z.boolean(), detail: z.string().optional() });
export const Readiness = z.object({
  ready: z.boolean(),
  checks: z.record(z.string(), check),
  models: z
    .record(z.string(), check)
    .optional()
    .meta({ description: 'Per served model; only where the listener is loopback.' }),
});

export const Problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.string().meta({ description: 'Stable; made for programs.' }),
    detail: z.string(),
    errors: z.array(z.object({ path: z.string(), code: z.string(), message: z.string() })).optional(),
  })
  .loose()
  .meta({ description: 'RFC 9457 problem document.' });

export const baseSchemas = {
  Agent,
  AgentList,
  Blob,
  BlobReference,
  CancelRequest,
  ErrorInfo,
  ExplainRequest,
  Explanation,
  HeldPolicies,
  Model,
  ModelList,
  Output,
  PolicyEpoch,
  PolicySet,
  Problem,
  Readiness,
  Run,
  RunDocument,
  RunEvent,
  RunPage,
  RunState,
  RunSummary,
  Subject,
  Task,
  TaskDocument,
  TaskState,
  Trace,
} as const;
