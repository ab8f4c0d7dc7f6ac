/**
 * Limits, shares and pauses over gRPC, and why a task waits. An administrator sets what holds for his own organisation and
 * its groups; weight, service class and capabilities concern everybody and are granted by administrators of the host.
 */
import type { schedulerV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import type { CallContext, ServiceImplementation } from '@cogmesh/rpc';
import {
  factsInMemory,
  scopeKey,
  waitingOf,
  type Engine,
  type QueuedTasks,
  type ScopeLimits,
  type ScopeName,
  type StoredScope,
  type TaskRef,
  type TaskView,
  type WaitingFacts,
  type WaitingMemory,
} from '@cogmesh/scheduling-core';
import type { SqlRunViews } from '../adapters/sql-run-views.js';
import { requireAccess, subjectOf, type PermittedCaller } from './caller.js';
import { noLimits, scopeMessage, scopeOf } from './scope-message.js';

export interface ScopesRpcContext {
  readonly views: SqlRunViews;
  readonly engine: Engine;
  readonly memory: WaitingMemory;
  readonly queued: QueuedTasks;
  readonly hostOrganisation: string;
}

type Methods = 'listScopes' | 'putScope' | 'explainWaiting';

const resource = '/limits';
/** Places are counted one by one up to here; beyond, "more than" is the answer. */
const mostPositions = 1_000;

export function scopesRpc(
  context: ScopesRpcContext,
): Pick<ServiceImplementation<typeof schedulerV1.SchedulerService>, Methods> {
  return {
    listScopes: (_request, call) => Promise.resolve({ scopes: list(context, call) }),
    putScope: async ({ scope }, call) => ({ scope: await put(context, scope, call) }),
    explainWaiting: (request, call) => explain(context, request, call),
  };
}

function list(context: ScopesRpcContext, call: CallContext) {
  const caller = subjectOf(call);
  requireAccess(caller, [{ action: 'read', resource }]);
  const { organisation } = caller.subject;
  const isHost = isHostAdministrator(context, caller);
  const visible = [...context.memory.limits.stored()].filter((scope) => isHost || scope.organisation === organisation);
  const own: ScopeName = { kind: 'organisation', organisation, name: organisation };
  const isStored = visible.some((scope) => scopeKey(scope) === scopeKey(own));
  const scopes = isStored ? visible : [{ ...own, limits: noLimits, paused: false }, ...visible];
  return scopes.map((scope) => message(context, scope));
}

async function put(context: ScopesRpcContext, wanted: schedulerV1.Scope | undefined, call: CallContext) {
  const caller = subjectOf(call);
  requireAccess(caller, [{ action: 'write', resource }]);
  const asked = scopeOf(wanted, caller.subject.organisation);
  const scope = { ...asked, limits: granted(context, asked, caller) };
  await context.memory.limits.put(scope, `${caller.subject.organisation}/${caller.subject.sub}`);
  return message(context, scope);
}

/** The limits as this caller may set them; throws `permission_denied`. */
function granted(context: ScopesRpcContext, scope: StoredScope, caller: PermittedCaller): ScopeLimits {
  const known: Required<ScopeLimits> = { ...noLimits, ...context.memory.limits.find(scope)?.limits };
  if (isHostAdministrator(context, caller)) return { ...scope.limits, parts: partsOf(scope.limits, known) };
  const { subject } = caller;
  if (scope.organisation !== subject.organisation || !subject.roles.includes('admin')) {
    const who = scope.kind === 'capability' ? context.hostOrganisation : scope.organisation;
    throw new CogmeshError('permission_denied', `only administrators of ${who} may set this`, { roles: subject.roles });
  }
  // 0 says nothing about what the host granted, and so leaves it.
  const asked = { ...noLimits, ...scope.limits };
  if (grants.some((field) => asked[field] !== 0 && asked[field] !== known[field])) {
    const message = `weight, service class and parts are granted by administrators of ${context.hostOrganisation}`;
    throw new CogmeshError('permission_denied', message);
  }
  const { weight, serviceClass, parts } = known;
  return { ...asked, weight, serviceClass, parts };
}

const grants = ['weight', 'serviceClass', 'parts'] as const;

/** What was split once has runs in several shards for long. */
function partsOf({ parts = 0 }: ScopeLimits, known: Required<ScopeLimits>): number {
  return known.parts > 0 ? Math.max(1, parts) : parts;
}

function isHostAdministrator({ hostOrganisation }: ScopesRpcContext, { subject }: PermittedCaller): boolean {
  return subject.organisation === hostOrganisation && subject.roles.includes('admin');
}

function message({ memory, queued }: ScopesRpcContext, scope: StoredScope) {
  const waiting = scope.kind === 'organisation' ? queued.of(scope.name) : memory.heads.sizeOf(scopeKey(scope));
  return scopeMessage(scope, { inFlight: memory.limits.inFlight(scope), queued: waiting });
}

async function explain(
  context: ScopesRpcContext,
  { runId, taskId, index = -1 }: schedulerV1.ExplainWaitingRequest,
  call: CallContext,
) {
  const found = await lookAt(context, { runId, taskId, itemIndex: index }, subjectOf(call).subject.organisation);
  const waiting = waitingOf(found.task, found.facts, context.memory);
  if (!waiting) return {};
  const { code, message: sentence, position = 0, estimateMs = 0 } = waiting;
  return { waiting: { code, message: sentence }, position: BigInt(position), estimateMs: BigInt(estimateMs) };
}

interface Look {
  readonly task: TaskView;
  readonly facts: WaitingFacts;
}

/** From memory when the run is there, else from its rows. Another organisation's run is not found. */
async function lookAt({ views, engine }: ScopesRpcContext, ref: TaskRef, organisation: string): Promise<Look> {
  const { runId, taskId, itemIndex } = ref;
  const resident = engine.residents.get(runId);
  const held = resident?.row.organisation === organisation ? resident.task(taskId, itemIndex) : undefined;
  if (resident && held) return { task: held, facts: factsInMemory(resident, held, mostPositions) };
  const run = await views.run(runId, organisation);
  if (!run) throw new CogmeshError('not_found', `there is no run ${runId}`);
  const task = await views.task(ref);
  if (!task) {
    throw new CogmeshError('not_found', `run ${runId} has no task ${taskId}${itemIndex < 0 ? '' : `[${itemIndex}]`}`);
  }
  const unmet = task.state === 'BLOCKED' && itemIndex < 0 ? await views.unmetOf(runId, taskId) : [];
  const isOpenForEach = task.state === 'RUNNING' && task.itemsTotal > 0;
  const items = isOpenForEach ? await views.openItemsOf(runId, taskId) : undefined;
  return { task, facts: { isRunPaused: run.state === 'PAUSED', unmet, items, mostPositions } };
}
