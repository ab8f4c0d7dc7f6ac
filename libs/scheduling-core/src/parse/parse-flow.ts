/**
 * What a task says about failure, placement and waiting for others: edge policies, concurrency group, affinity, `approval`
 * and nested `run`. An approval's rule is literal, so that nothing a run computes can lower it.
 */
import { hasExpression } from '../expressions/template.js';
import type { RunLimits } from '../limits.js';
import type { ApprovalRule, RunPlan, TaskPlan } from '../run-plan.js';
import type { Uses } from '../uses.js';
import type { ObjectReader } from './object-reader.js';

const groupPattern = /^[a-z0-9][a-z0-9._-]{0,127}$/;
const maxRoles = 32;
const approvalFields = ['message', 'approvers', 'roles', 'notBy'];

export type FlowFields = Pick<
  TaskPlan,
  'onFailure' | 'itemFailure' | 'heartbeatTimeoutMs' | 'concurrencyGroup' | 'affinity'
>;

export function readFlow(reader: ObjectReader, limits: RunLimits): FlowFields {
  const onFailure = reader.choice('onFailure', ['fail', 'continue', 'ignore']);
  const itemFailure = reader.choice('itemFailure', ['fail', 'continue']);
  if (itemFailure !== undefined && !reader.has('forEach'))
    reader.issue('itemFailure', 'misplaced_field', 'itemFailure needs forEach');
  const heartbeatTimeoutMs = reader.number('heartbeatTimeoutMs', {
    min: limits.minHeartbeatTimeoutMs,
    max: limits.maxDurationMs,
  });
  const concurrencyGroup = reader.text('concurrencyGroup', { maxLength: 128 });
  if (concurrencyGroup !== undefined && !groupPattern.test(concurrencyGroup))
    reader.issue('concurrencyGroup', 'invalid_name', `"${concurrencyGroup}" does not match ${groupPattern.source}`);
  const affinity = readAffinity(reader, limits);
  return {
    ...(onFailure === undefined ? {} : { onFailure }),
    ...(itemFailure === undefined ? {} : { itemFailure }),
    ...(heartbeatTimeoutMs === undefined ? {} : { heartbeatTimeoutMs }),
    ...(concurrencyGroup === undefined ? {} : { concurrencyGroup }),
    ...(affinity === undefined ? {} : { affinity }),
  };
}

function readAffinity(reader: ObjectReader, limits: RunLimits): Record<string, string> | undefined {
  const affinity = reader.object('affinity');
  if (!affinity) return undefined;
  const labels = affinity.keys();
  if (labels.length > limits.maxAffinities)
    affinity.issue('', 'too_many', `at most ${limits.maxAffinities} labels are allowed`);
  const read = labels.slice(0, limits.maxAffinities).flatMap((label): [string, string][] => {
    const value = affinity.text(label, { maxLength: 255 });
    return value === undefined ? [] : [[label, value]];
  });
  return Object.fromEntries(read);
}

export interface WaitingFields {
  readonly approval?: ApprovalRule;
  readonly nested?: RunPlan;
}

/** The fields of `approval` and `run`; `nested` reads the document of a nested run. */
export function readWaiting(
  reader: ObjectReader,
  { uses, nested }: { readonly uses: Uses; readonly nested: (document: ObjectReader) => RunPlan | undefined },
): WaitingFields {
  if (uses.kind === 'approval') return { approval: readApproval(reader) };
  if (uses.kind !== 'run') {
    if (reader.has('document')) reader.issue('document', 'misplaced_field', 'document needs "uses": "run"');
    return {};
  }
  if (!reader.has('document')) reader.issue('document', 'required', 'run needs "document": { "tasks": … }');
  const document = reader.object('document');
  const plan = document && nested(document);
  return plan === undefined ? {} : { nested: plan };
}

function readApproval(reader: ObjectReader): ApprovalRule {
  const input = reader.has('input') ? reader.object('input') : undefined;
  input?.allowOnly(approvalFields);
  input?.text('message', { maxLength: 2_000 });
  const approvers = input?.number('approvers', { min: 1, max: 2 }) === 2 ? 2 : 1;
  const roles = input?.list('roles', { max: maxRoles })?.flatMap((role, index) => {
    if (typeof role === 'string' && role !== '' && !hasExpression(role)) return [role];
    input.issue(`roles[${index}]`, 'invalid_type', 'must be the name of a role, without an expression');
    return [];
  });
  const notBy = input?.choice('notBy', ['submitter']);
  return { approvers, roles: roles ?? [], ...(notBy === undefined ? {} : { notBy }) };
}
