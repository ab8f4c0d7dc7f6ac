/** The public gRPC face: each method translates to an operation's request and back, and does nothing else. */
import { timestampDate } from '@bufbuild/protobuf/wkt';
import { gatewayV1, policyV1, type schedulerV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import { implement, type CallContext, type ServiceBinding } from '@cogmesh/rpc';
import type { OperationRequest } from '../operations/operation.js';
import type { Operations } from '../operations/operations.js';
import { pathOf } from '../operations/right.js';
import { gatewayStops, unlessClosing } from '../operations/unless-closing.js';
import type { WatchRunInput } from '../operations/watch-run.js';
import { blobMessage, chunkParts, chunksOf } from './blob-parts.js';
import type { GrpcCallers } from './grpc-authentication.js';
import { plain } from './plain.js';
import { schedulingRpc } from './scheduling.rpc.js';

/** `closing` is aborted when the gateway stops: watches then end, to be resumed elsewhere. */
export function gatewayRpc(operations: Operations, callers: GrpcCallers, closing: AbortSignal): ServiceBinding {
  const ask = <Input>(call: CallContext, input: Input): OperationRequest<Input> => {
    const callerTraceparent = call.metadata.get('traceparent');
    return {
      ...callers.verified(call),
      input,
      signal: call.signal,
      ...(callerTraceparent === undefined ? {} : { callerTraceparent }),
    };
  };
  return implement(gatewayV1.GatewayService, {
    ...schedulingRpc(operations, ask),
    submitRun: ({ documentJson, idempotencyKey }, call) =>
      operations.submitRun(ask(call, { documentJson, idempotencyKey })).then(plain),
    getRun: ({ runId }, call) => operations.getRun(ask(call, { runId })).then(plain),
    listRuns: (request, call) => operations.listRuns(ask(call, runFilter(request))).then(plain),
    cancelRun: ({ runId, reason }, call) => operations.cancelRun(ask(call, { runId, reason })).then(plain),
    getOutput: ({ runId, taskId, index }, call) =>
      operations.getOutput(ask(call, { runId, taskId, ...(index === undefined ? {} : { index }) })).then(plain),
    watchRun: ({ runId, afterSequence }, call) =>
      watched({ operations, callers, closing }, ask(call, { runId, afterSequence }), call),
    putBlob: async (parts, call) => {
      const iterator = parts[Symbol.asyncIterator]();
      const { value } = await iterator.next();
      const first = (value as gatewayV1.PutBlobRequest | undefined)?.part;
      if (first?.case !== 'mediaType') {
        throw new CogmeshError('invalid_argument', 'the first message of an upload carries its media_type');
      }
      const record = await operations.putBlob(ask(call, { mediaType: first.value, content: chunksOf(iterator) }));
      return { blob: blobMessage(record) };
    },
    getBlob: async function* ({ blobId }, call) {
      const { record, open } = await operations.getBlob(ask(call, { blobId }));
      yield { part: { case: 'blob', value: blobMessage(record) } };
      yield* chunkParts(await open());
    },
    listModels: async (_, call) => ({ models: [...(await operations.listModels(ask(call, {})))] }),
    listAgents: async (_, call) => ({ agents: [...(await operations.listAgents(ask(call, {})))] }),
    whoAmI: async (_, call) => {
      const { issuer, sub, organisation, roles, tokenId, attributes } = await operations.whoAmI(ask(call, {}));
      return {
        subject: { issuer, sub, organisation, roles: [...roles], tokenId, attributesJson: JSON.stringify(attributes) },
      };
    },
    explainPolicy: async ({ action, resource }, call) => {
      const path = pathOf({ type: resource?.type ?? '', id: resource?.id ?? '' });
      const { decision, rules } = await operations.explainPolicy(ask(call, { action, resource: path }));
      const { allowed, reason, code } = decision;
      return { allowed, reason, code, rules: rules.map(ruleLine) };
    },
  });
}

interface WatchParts {
  readonly operations: Operations;
  readonly callers: GrpcCallers;
  readonly closing: AbortSignal;
}

/** Ends with the run, with the caller's right, or, to be resumed elsewhere, with the gateway. */
async function* watched(
  { operations, callers, closing }: WatchParts,
  request: OperationRequest<WatchRunInput>,
  call: CallContext,
): AsyncGenerator<{ event: schedulerV1.RunEvent }> {
  const revoked = new AbortController();
  const signal = AbortSignal.any([call.signal, closing, revoked.signal]);
  const { open } = await unlessClosing(closing, operations.watchRun({ ...request, signal }));
  const stop = callers.follow(call, (why) => revoked.abort(why));
  try {
    for await (const event of open()) yield { event };
    revoked.signal.throwIfAborted();
  } catch (thrown) {
    revoked.signal.throwIfAborted();
    throw closing.aborted ? gatewayStops() : thrown;
  } finally {
    stop();
  }
}

function ruleLine({ outcome, organisation, ruleId, effect, detail }: policyV1.RuleOutcome): string {
  const word = policyV1.RuleOutcome_Outcome[outcome].toLowerCase();
  return `${word} ${organisation}/${ruleId} (${effect}): ${detail}`;
}

function runFilter({ page, state, labels, createdAfter, createdBefore, scheduleId }: gatewayV1.ListRunsRequest) {
  return {
    limit: page?.limit ?? 0,
    cursor: page?.cursor ?? '',
    state,
    labels,
    scheduleId,
    ...(createdAfter === undefined ? {} : { after: timestampDate(createdAfter) }),
    ...(createdBefore === undefined ? {} : { before: timestampDate(createdBefore) }),
  };
}
