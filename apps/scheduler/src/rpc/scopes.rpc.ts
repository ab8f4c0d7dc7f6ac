/**
 * Limits, shares and pauses over gRPC, and why a task waits. An administrator sets what holds for his own organisation and
 * its groups; weight, service class and capabilities concern everybody and are granted by administrators of the host.
 */
import type { schedulerV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import type { CallContext, ServiceImplementation } from '@cogmesh/rpc';
import {
  scopeKey,
  type Limits,
  type ScopeLimits,
  type ScopeName,
  type StoredScope,
  type TaskRef,
  type Waiting,
} from '@cogmesh/scheduling-core';
import type { ScopeUsage } from '../engine/explain-waiting.js';
import { requireAccess, subjectOf, type PermittedCaller } from './caller.js';
import { noLimits, scopeMessage, scopeOf } from './scope-message.js';

export interface ScopesRpcContext {
  readonly limits: Limits;
  /** Of each scope, whoever decides for its tasks. */
  readonly usage: (scopes: readonly ScopeName[]) => Promise<readonly ScopeUsage[]>;
  /** Undefined when the task does not wait; `not_found`, also for another organisation's. */
  readonly explain: (ref: TaskRef, organisation: string) => Promise<Waiting | undefined>;
  /** A scope was stored: other schedulers are to know. */
  readonly onPut: () => void;
  readonly hostOrganisation: string;
}

type Methods = 'listScopes' | 'putScope' | 'explainWaiting';

const resource = '/limits';
export function scopesRpc(
  context: ScopesRpcContext,
): Pick<ServiceImplementation<typeof schedulerV1.SchedulerService>, Methods> {
  return {
    listScopes: async (_request, call) => ({ scopes: await list(context, call) }),
    putScope: async ({ scope }, call) => ({ scope: await put(context, scope, call) }),
    explainWaiting: (request, call) => explain(context, request, call),
  };
}

async function list(context: ScopesRpcContext, call: CallContext) {
  const caller = subjectOf(call);
  requireAccess(caller, [{ action: 'read', resource }]);
  const { organisation } = caller.subject;
  const isHost = isHostAdministrator(context, caller);
  const visible = [...context.limits.stored()].filter((scope) => isHost || scope.organisation === organisation);
  const own: ScopeName = { kind: 'organisation', organisation, name: organisation };
  const isStored = visible.some((scope) => scopeKey(scope) === scopeKey(own));
  const scopes = isStored ? visible : [{ ...own, limits: noLimits, paused: false }, ...visible];
  return messages(context, scopes);
}

async function put(context: ScopesRpcContext, wanted: schedulerV1.Scope | undefined, call: CallContext) {
  const caller = subjectOf(call);
  requireAccess(caller, [{ action: 'write', resource }]);
  const asked = scopeOf(wanted, caller.subject.organisation);
  const scope = { ...asked, limits: granted(context, asked, caller) };
  await context.limits.put(scope, `${caller.subject.organisation}/${caller.subject.sub}`);
  context.onPut();
  const [message] = await messages(context, [scope]);
  return message ?? {};
}

/** The limits as this caller may set them; throws `permission_denied`. */
function granted(context: ScopesRpcContext, scope: StoredScope, caller: PermittedCaller): ScopeLimits {
  const known: Required<ScopeLimits> = { ...noLimits, ...context.limits.find(scope)?.limits };
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

async function messages({ usage }: ScopesRpcContext, scopes: readonly StoredScope[]) {
  const used = await usage(scopes);
  return scopes.map((scope, index) => scopeMessage(scope, used[index] ?? { inFlight: 0, queued: 0 }));
}

async function explain(
  context: ScopesRpcContext,
  { runId, taskId, index = -1 }: schedulerV1.ExplainWaitingRequest,
  call: CallContext,
) {
  const waiting = await context.explain({ runId, taskId, itemIndex: index }, subjectOf(call).subject.organisation);
  if (!waiting) return {};
  const { code, message: sentence, position = 0, estimateMs = 0 } = waiting;
  return { waiting: { code, message: sentence }, position: BigInt(position), estimateMs: BigInt(estimateMs) };
}
