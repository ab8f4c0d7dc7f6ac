/** Calls that steer runs under way, make new ones of old ones, and answer tasks that ask. */
import type { schedulerV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import type { CallContext, ServiceImplementation } from '@cogmesh/rpc';
import { readRunInput, type NeededAccess, type RunRow } from '@cogmesh/scheduling-core';
import { attributeNames, currentTraceparent, spanNames, withSpan } from '@cogmesh/telemetry';
import type { SqlRunViews } from '../adapters/sql-run-views.js';
import { replayDeadLetter, type ReplayContext } from '../engine/replay-dead-letter.js';
import { submitterText } from '../engine/submitter.js';
import { retryRun } from '../engine/retry-run.js';
import type { SubmitContext } from '../engine/submit-run.js';
import type { CommandRouter } from '../replicas/command-router.js';
import type { SchedulerCommands } from '../replicas/scheduler-commands.js';
import { requireAccess, requireAdministrator, subjectOf } from './caller.js';
import type { DescribeRun } from './describe-run.js';

type Methods = 'retryRun' | 'pauseRun' | 'resumeRun' | 'setPriority' | 'signalTask' | 'replayDeadLetter';

/** Whoever owns the shard of a run is asked. */
export type Commands = Pick<CommandRouter<SchedulerCommands>, 'route'>;

export interface ControlRpcContext {
  readonly commands: Commands;
  readonly views: SqlRunViews;
  readonly submit: SubmitContext;
  readonly describe: DescribeRun;
  readonly replay: ReplayContext;
}

const maxReasonLength = 500;
const maxCommentLength = 2_000;
const maxDataBytes = 64 * 1024;

export function controlRpc(
  context: ControlRpcContext,
): Pick<ServiceImplementation<typeof schedulerV1.SchedulerService>, Methods> {
  const { commands, describe } = context;
  const answer = async (runId: string, call: CallContext) => ({
    run: await describe(await find(context, runId, call)),
  });
  return {
    retryRun: (request, call) => retry(context, request, call),
    pauseRun: async ({ runId, reason }, call) => {
      if (reason.length > maxReasonLength)
        throw new CogmeshError('invalid_argument', `a reason has at most ${maxReasonLength} characters`);
      const { shard } = await permitted(context, { runId, action: 'write' }, call);
      await commands.route(shard, 'pause', { runId, by: subjectOf(call).subject.sub, reason });
      return answer(runId, call);
    },
    resumeRun: async ({ runId }, call) => {
      const { shard } = await permitted(context, { runId, action: 'write' }, call);
      await commands.route(shard, 'resume', { runId, by: subjectOf(call).subject.sub });
      return answer(runId, call);
    },
    setPriority: async ({ runId, taskId, priority }, call) => {
      if (priority < 0 || priority > 9) throw new CogmeshError('invalid_argument', 'a priority is 0 to 9');
      const { shard } = await permitted(context, { runId, action: 'write' }, call);
      const by = subjectOf(call).subject.sub;
      await commands.route(shard, 'priority', { runId, taskId: taskId === '' ? undefined : taskId, priority, by });
      return answer(runId, call);
    },
    signalTask: (request, call) => signal(context, request, call),
    replayDeadLetter: async ({ id }, call) => {
      requireAdministrator(subjectOf(call));
      await replayDeadLetter(context.replay, id);
      return {};
    },
  };
}

/** Another organisation's run is not found, like one that never was. */
async function find({ views }: ControlRpcContext, runId: string, call: CallContext): Promise<RunRow> {
  const run = await views.run(runId, subjectOf(call).subject.organisation);
  if (!run) throw new CogmeshError('not_found', `there is no run ${runId}`);
  return run;
}

async function permitted(
  context: ControlRpcContext,
  { runId, action }: { readonly runId: string; readonly action: NeededAccess['action'] },
  call: CallContext,
): Promise<RunRow> {
  const run = await find(context, runId, call);
  requireAccess(subjectOf(call), [{ action, resource: `/runs/${runId}` }]);
  return run;
}

async function retry(context: ControlRpcContext, request: schedulerV1.RetryRunRequest, call: CallContext) {
  const origin = await find(context, request.runId, call);
  const caller = subjectOf(call);
  const { organisation, sub } = caller.subject;
  const attributes = { [attributeNames.organisation]: organisation, [attributeNames.subject]: sub };
  return withSpan(spanNames.submit, { attributes, links: [origin.traceparent] }, async (span) => {
    const { fromFailed, inputJson, idempotencyKey } = request;
    const { runId } = await retryRun(context.submit, {
      origin,
      fromFailed,
      inputJson,
      idempotencyKey,
      submittedBy: sub,
      submitter: submitterText(caller.subject, caller.met),
      traceparent: currentTraceparent() ?? '',
      requireAccess: (needed) => requireAccess(caller, needed),
    });
    span.setAttribute(attributeNames.runId, runId);
    return { run: await context.describe(await find(context, runId, call)) };
  });
}

async function signal(context: ControlRpcContext, request: schedulerV1.SignalTaskRequest, call: CallContext) {
  const { runId, taskId, index: itemIndex = -1, approved, comment, dataJson } = request;
  if (comment.length > maxCommentLength)
    throw new CogmeshError('invalid_argument', `a comment has at most ${maxCommentLength} characters`);
  if (Buffer.byteLength(dataJson) > maxDataBytes)
    throw new CogmeshError('payload_too_large', `the data of an answer has at most ${maxDataBytes} bytes`);
  const { shard } = await permitted(context, { runId, action: 'approve' }, call);
  const { sub: by, issuer, roles } = subjectOf(call).subject;
  const data = dataJson === '' ? null : readRunInput(dataJson);
  const answer = { approved, by, issuer, roles, comment, data };
  const missing = await context.commands.route(shard, 'signal', { runId, taskId, itemIndex, answer });
  return { run: await context.describe(await find(context, runId, call)), missing };
}
