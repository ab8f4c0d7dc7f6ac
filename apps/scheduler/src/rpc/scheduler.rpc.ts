/** The scheduler's gRPC face: message -> call -> message. */
import { schedulerV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { implement, type CallContext, type ServiceBinding } from '@cogmesh/rpc';
import type { RunRow } from '@cogmesh/scheduling-core';
import { attributeNames, currentTraceparent, spanNames, withSpan } from '@cogmesh/telemetry';
import type { SqlDeadLetters } from '../adapters/sql-dead-letters.js';
import type { SqlRunViews } from '../adapters/sql-run-views.js';
import type { RunNotifier } from '../engine/run-notifier.js';
import { submitterText } from '../engine/submitter.js';
import { submitRun, type SubmitContext } from '../engine/submit-run.js';
import { watchRun } from '../engine/watch-run.js';
import { requireAccess, requireAdministrator, serviceOf, subjectOf } from './caller.js';
import { controlRpc, type Commands, type ControlRpcContext } from './control.rpc.js';
import { describeBorn, type DescribeRun } from './describe-run.js';
import { cursorAfter, pageOf } from './page.js';
import { runsPageOf } from './runs-page.js';
import { schedulesRpc, type SchedulesRpcContext } from './schedules.rpc.js';
import { scopesRpc, type ScopesRpcContext } from './scopes.rpc.js';
import { webhooksRpc, type WebhooksRpcContext } from './webhooks.rpc.js';
import { historyMessage, runMessage } from './to-proto.js';

export interface SchedulerRpcContext {
  readonly views: SqlRunViews;
  readonly deadLetters: SqlDeadLetters;
  readonly notifier: RunNotifier;
  readonly submit: SubmitContext;
  readonly describe: DescribeRun;
  readonly replay: ControlRpcContext['replay'];
  readonly scopes: ScopesRpcContext;
  readonly commands: Commands;
  /** Extends the leases of attempts; answers those that nobody wants any more. */
  readonly renewLeases: (attemptIds: readonly string[]) => Promise<string[]>;
  readonly schedules: SchedulesRpcContext;
  readonly webhooks: WebhooksRpcContext;
}

const maxReasonLength = 500;

export function schedulerRpc(context: SchedulerRpcContext): ServiceBinding {
  return implement(schedulerV1.SchedulerService, {
    ...controlRpc(context),
    ...scopesRpc(context.scopes),
    ...schedulesRpc(context.schedules),
    ...webhooksRpc(context.webhooks),
    submitRun: (request, call) => submit(context, request, call),
    getRun: async ({ runId }, call) => ({ run: await context.describe(await find(context, runId, call)) }),
    listRuns: async (request, call) => {
      const page = runsPageOf(request, subjectOf(call).subject.organisation);
      const runs = await context.views.runs(page);
      return { runs: runs.map((run) => runMessage(run)), nextCursor: cursorAfter(runs, page.limit) };
    },
    cancelRun: async ({ runId, reason }, call) => {
      if (reason.length > maxReasonLength)
        throw new CogmeshError('invalid_argument', `a reason has at most ${maxReasonLength} characters`);
      const { shard } = await find(context, runId, call);
      await context.commands.route(shard, 'cancel', { runId, reason });
      return { run: await context.describe(await find(context, runId, call)) };
    },
    getOutput: (request, call) => output(context, request, call),
    watchRun: async function* ({ runId, afterSequence }, call) {
      const { organisation } = await find(context, runId, call);
      const after = Number(afterSequence);
      for await (const entry of watchRun(context, { runId, organisation, after, signal: call.signal })) {
        yield { event: historyMessage(entry) };
      }
    },
    renewLeases: async ({ agents }, call) => {
      serviceOf(call);
      const attemptIds = agents.flatMap((agent) => agent.attemptIds);
      return { unknownAttemptIds: await context.renewLeases(attemptIds) };
    },
    listDeadLetters: async (request, call) => {
      requireAdministrator(subjectOf(call));
      const { limit, before } = pageOf(request.page);
      const letters = await context.deadLetters.list(limit, before);
      const deadLetters = letters.map(({ receivedAt, bodyBase64, ...letter }) => ({
        ...letter,
        receivedAt: timestampFromMs(receivedAt),
        body: new Uint8Array(Buffer.from(bodyBase64, 'base64')),
      }));
      return { deadLetters, nextCursor: cursorAfter(letters, limit) };
    },
  });
}

/** Another organisation's run is not found, like one that never was. */
async function find({ views }: SchedulerRpcContext, runId: string, call: CallContext): Promise<RunRow> {
  const run = await views.run(runId, subjectOf(call).subject.organisation);
  if (!run) throw new CogmeshError('not_found', `there is no run ${runId}`);
  return run;
}

async function submit(context: SchedulerRpcContext, request: schedulerV1.SubmitRunRequest, call: CallContext) {
  const caller = subjectOf(call);
  const { organisation, sub } = caller.subject;
  const attributes = { [attributeNames.organisation]: organisation, [attributeNames.subject]: sub };
  const links = [request.callerTraceparent];
  return withSpan(spanNames.submit, { attributes, links }, async (span) => {
    const { runId, replayed, stored } = await submitRun(context.submit, {
      documentJson: request.documentJson,
      idempotencyKey: request.idempotencyKey,
      organisation,
      submittedBy: sub,
      submitter: submitterText(caller.subject, caller.met),
      traceparent: currentTraceparent() ?? '',
      callerTraceparent: request.callerTraceparent,
      requireAccess: (needed) => requireAccess(caller, needed),
    });
    span.setAttribute(attributeNames.runId, runId);
    if (stored) return { run: describeBorn(stored.rows, stored.born), replayed };
    return { run: await context.describe(await find(context, runId, call)), replayed };
  });
}

async function output({ views }: SchedulerRpcContext, request: schedulerV1.GetOutputRequest, call: CallContext) {
  const { runId, taskId, index } = request;
  const { organisation } = subjectOf(call).subject;
  const run = await views.run(runId, organisation);
  if (!run) throw new CogmeshError('not_found', `there is no run ${runId}`);
  if (taskId === '') return { outputJson: run.output ?? '' };
  const found = await views.output(runId, taskId, index ?? -1);
  const item = index === undefined ? '' : `[${index}]`;
  if (!found) throw new CogmeshError('not_found', `run ${runId} has no task ${taskId}${item}`);
  return { outputJson: found.output ?? '' };
}
