/** Messages as the JSON of contract.md. One function per message; the schemas that document them say the same types. */
import { timestampDate, type Timestamp } from '@bufbuild/protobuf/wkt';
import { registryV1, schedulerV1, type commonV1, type policyV1 } from '@cogmesh/contracts';
import type { z } from 'zod';
import type { BlobRecord } from '../blobs/blob-records.js';
import type { ModelView } from '../operations/list-models.js';
import type { schemas } from '../openapi/components.js';

export type View<Name extends keyof typeof schemas> = z.output<(typeof schemas)[Name]>;

export const time = (at: Timestamp | undefined): string | null =>
  at === undefined ? null : timestampDate(at).toISOString();

export const orNull = (text: string): string | null => (text === '' ? null : text);

/** A stored JSON text as the value it is; null while there is none. */
export const valueOf = (json: string): unknown => (json === '' ? null : (JSON.parse(json) as unknown));

export const runState = (state: schedulerV1.RunState) => schedulerV1.RunState[state] as View<'Run'>['state'];
const taskState = (state: schedulerV1.TaskState) => schedulerV1.TaskState[state] as View<'Task'>['state'];

export function errorView(error: commonV1.ErrorInfo | undefined): View<'ErrorInfo'> | null {
  if (error === undefined) return null;
  const { code, message, retryable, detailsJson } = error;
  return { code, message, retryable, details: valueOf(detailsJson) };
}

function taskView(task: schedulerV1.Task): View<'Task'> {
  const { items, waiting } = task;
  return {
    id: task.id,
    uses: task.uses,
    state: taskState(task.state),
    attempt: task.attempt,
    agent: task.agentId === '' ? null : task.agentId,
    queuedMs: Number(task.queuedMs),
    runMs: Number(task.runMs),
    items: items === undefined ? null : { total: items.total, succeeded: items.succeeded, failed: items.failed },
    error: errorView(task.error),
    waiting: waiting === undefined ? null : { code: waiting.code, message: waiting.message },
    depends: task.depends,
  };
}

export function runView(run: schedulerV1.Run): View<'Run'> {
  return {
    id: run.id,
    name: run.name,
    organisation: run.organisation,
    state: runState(run.state),
    priority: run.priority,
    labels: run.labels,
    createdAt: time(run.createdAt),
    startedAt: time(run.startedAt),
    finishedAt: time(run.finishedAt),
    traceId: run.traceId,
    submittedBy: run.submittedBy,
    sequence: Number(run.sequence),
    tasks: run.tasks.map(taskView),
    output: valueOf(run.outputJson),
    error: errorView(run.error),
    paused: run.paused,
    originRun: orNull(run.originRunId),
    parentRun: orNull(run.parentRunId),
    parentTask: orNull(run.parentTaskId),
    schedule: orNull(run.scheduleId),
  };
}

/** A run in a list: without tasks and output. */
export function runSummary(run: schedulerV1.Run): View<'RunSummary'> {
  const { tasks: _tasks, output: _output, ...summary } = runView(run);
  return summary;
}

export function eventView(event: schedulerV1.RunEvent): View<'RunEvent'> {
  return {
    sequence: Number(event.sequence),
    time: time(event.time),
    type: event.type as View<'RunEvent'>['type'],
    ...(event.runState === schedulerV1.RunState.UNSPECIFIED ? {} : { runState: runState(event.runState) }),
    ...(event.taskId === '' ? {} : { taskId: event.taskId }),
    ...(event.taskState === schedulerV1.TaskState.UNSPECIFIED ? {} : { taskState: taskState(event.taskState) }),
    ...(event.index === undefined ? {} : { index: event.index }),
    ...(event.attempt === 0 ? {} : { attempt: event.attempt }),
    ...(event.agentId === '' ? {} : { agent: event.agentId }),
    ...(event.error === undefined ? {} : { error: errorView(event.error) }),
    ...(event.dataJson === '' ? {} : { data: valueOf(event.dataJson) }),
  };
}

export function blobView(blob: BlobRecord): View<'Blob'> {
  const { id, mediaType, bytes, sha256 } = blob;
  return {
    $blob: id,
    id,
    mediaType,
    bytes,
    sha256,
    createdAt: iso(blob.createdAtMs),
    expiresAt: iso(blob.expiresAtMs),
  };
}

const iso = (ms: number): string => new Date(ms).toISOString();

export function modelView(model: ModelView): View<'Model'> {
  const { name, version, ready, agents, metadataJson, inputSchemaJson } = model;
  return { name, version, ready, agents, metadata: valueOf(metadataJson), inputSchema: valueOf(inputSchemaJson) };
}

export function agentView(agent: registryV1.Agent): View<'Agent'> {
  const { portrait } = agent;
  return {
    id: agent.id,
    name: agent.name,
    organisation: agent.organisation,
    kind: registryV1.AgentKind[agent.kind] as View<'Agent'>['kind'],
    state: registryV1.AgentState[agent.state] as View<'Agent'>['state'],
    capabilities: agent.capabilities.map(capabilityView),
    portrait: portrait === undefined ? null : portraitView(portrait),
    connectedAt: time(agent.connectedAt),
    lastHeartbeatAt: time(agent.lastHeartbeatAt),
    labels: agent.labels,
  };
}

function capabilityView({ name, credits, maxCredits, ready, inputSchemaJson }: registryV1.Capability) {
  return { name, credits, maxCredits, ready, inputSchema: valueOf(inputSchemaJson) };
}

function portraitView(portrait: registryV1.Portrait): NonNullable<View<'Agent'>['portrait']> {
  const { cpu, queued, running, latencyMs, warmModels, providers, gpu } = portrait;
  return {
    time: time(portrait.time),
    cpu,
    gpu,
    memoryBytes: Number(portrait.memoryBytes),
    queued,
    running,
    latencyMs,
    warmModels,
    providers,
  };
}

const outcomes = ['skipped', 'matched', 'skipped', 'failed'] as const;

export function explanationView(
  decision: policyV1.DecideResponse,
  rules: readonly policyV1.RuleOutcome[],
): View<'Explanation'> {
  const { allowed, code, reason, decisionId, epoch, grantId } = decision;
  return {
    allowed,
    code,
    reason,
    decisionId,
    epoch: Number(epoch),
    grant: grantId === '' ? null : grantId,
    rules: rules.map(({ organisation, ruleId, effect, outcome, detail, condition }) => ({
      organisation,
      id: ruleId,
      effect,
      outcome: outcomes[outcome],
      detail,
      condition,
    })),
  };
}
