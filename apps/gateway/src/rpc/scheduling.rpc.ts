/** The calls of the public gRPC face that steer the scheduler: translation to an operation's request and back. */
import { timestampDate } from '@bufbuild/protobuf/wkt';
import type { gatewayV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import type { CallContext, ServiceImplementation } from '@cogmesh/rpc';
import type { OperationRequest } from '../operations/operation.js';
import type { Operations } from '../operations/operations.js';
import { plain } from './plain.js';

type Face = ServiceImplementation<typeof gatewayV1.GatewayService>;
type Steering = Pick<Face, Exclude<keyof Face, Other>>;
type Other =
  | 'submitRun'
  | 'getRun'
  | 'listRuns'
  | 'cancelRun'
  | 'getOutput'
  | 'watchRun'
  | 'putBlob'
  | 'getBlob'
  | 'listModels'
  | 'listAgents'
  | 'whoAmI'
  | 'explainPolicy';

export type Ask = <Input>(call: CallContext, input: Input) => OperationRequest<Input>;

export function schedulingRpc(operations: Operations, ask: Ask): Steering {
  return { ...runControl(operations, ask), ...schedules(operations, ask), ...webhooksAndLimits(operations, ask) };
}

function runControl(operations: Operations, ask: Ask) {
  return {
    retryRun: ({ runId, fromFailed, inputJson, idempotencyKey }, call) =>
      operations.retryRun(ask(call, { runId, fromFailed, inputJson, idempotencyKey })).then(plain),
    pauseRun: ({ runId, reason }, call) => operations.pauseRun(ask(call, { runId, reason })).then(plain),
    resumeRun: ({ runId }, call) => operations.resumeRun(ask(call, { runId })).then(plain),
    setPriority: ({ runId, taskId, priority }, call) =>
      operations.setPriority(ask(call, { runId, taskId, priority })).then(plain),
    signalTask: ({ runId, taskId, index, approved, comment, dataJson }, call) => {
      const item = index === undefined ? {} : { index };
      return operations.signalTask(ask(call, { runId, taskId, ...item, approved, comment, dataJson })).then(plain);
    },
    explainWaiting: ({ runId, taskId, index }, call) =>
      operations.explainWaiting(ask(call, { runId, taskId, ...(index === undefined ? {} : { index }) })).then(plain),
  } satisfies Partial<Steering>;
}

function schedules(operations: Operations, ask: Ask) {
  return {
    putSchedule: ({ schedule }, call) =>
      operations.putSchedule(ask(call, { schedule: given(schedule, 'schedule') })).then(plain),
    getSchedule: ({ schedule }, call) => operations.getSchedule(ask(call, { schedule })).then(plain),
    listSchedules: ({ page }, call) => operations.listSchedules(ask(call, pageOf(page))).then(plain),
    deleteSchedule: ({ schedule }, call) => operations.deleteSchedule(ask(call, { schedule })).then(nothing),
    triggerSchedule: ({ schedule }, call) => operations.triggerSchedule(ask(call, { schedule })).then(plain),
    backfillSchedule: ({ schedule, from, to, limit }, call) => {
      const range = { from: timestampDate(given(from, 'from')), to: timestampDate(given(to, 'to')) };
      return operations.backfillSchedule(ask(call, { schedule, ...range, limit })).then(plain);
    },
  } satisfies Partial<Steering>;
}

function webhooksAndLimits(operations: Operations, ask: Ask) {
  return {
    listScopes: (_, call) => operations.listScopes(ask(call, {})).then(plain),
    putScope: ({ scope }, call) => operations.putScope(ask(call, { scope: given(scope, 'scope') })).then(plain),
    putWebhook: ({ webhook }, call) =>
      operations.putWebhook(ask(call, { webhook: given(webhook, 'webhook') })).then(plain),
    listWebhooks: (_, call) => operations.listWebhooks(ask(call, {})).then(plain),
    deleteWebhook: ({ webhookId }, call) => operations.deleteWebhook(ask(call, { webhookId })).then(nothing),
    listDeliveries: ({ webhookId, page }, call) =>
      operations.listDeliveries(ask(call, { webhookId, ...pageOf(page) })).then(plain),
    listDeadLetters: ({ page }, call) => operations.listDeadLetters(ask(call, pageOf(page))).then(plain),
    replayDeadLetter: ({ id }, call) => operations.replayDeadLetter(ask(call, { id })).then(nothing),
  } satisfies Partial<Steering>;
}

const nothing = () => ({});

const pageOf = (page: { readonly limit: number; readonly cursor: string } | undefined) => ({
  limit: page?.limit ?? 0,
  cursor: page?.cursor ?? '',
});

function given<Value>(value: Value | undefined, field: string): Value {
  if (value !== undefined) return value;
  throw new CogmeshError('invalid_argument', `${field} is missing`);
}
