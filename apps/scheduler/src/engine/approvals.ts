/** `approval` tasks: what is asked, who answered what and when. Nothing but a signal or the time-out ends one. */
import { CogmeshError } from '@cogmesh/errors';
import type { Json, TaskPlan } from '@cogmesh/scheduling-core';
import type { ApprovalRecord, ApprovalSignal, TaskRow } from '../model/rows.js';
import { failureOf, type Outcomes } from './outcomes.js';
import type { WorkUnit } from './work-unit.js';

export function askApproval(
  unit: WorkUnit,
  task: TaskRow,
  { message, plan }: { readonly message: string; readonly plan: TaskPlan },
): void {
  const { approvers = 1, roles = [] } = plan.approval ?? {};
  const record: ApprovalRecord = { message, approvers, roles, signals: [] };
  const { now } = unit;
  unit.move(task, 'wait', {
    attempt: task.attempt + 1,
    startedAt: now,
    dueAt: now + plan.timeoutMs,
    approvals: JSON.stringify(record),
  });
  const data = JSON.stringify({ approval: { message, approvers, roles } });
  tellOf(unit, task, data);
}

function tellOf(unit: WorkUnit, task: TaskRow, data: string): void {
  const { taskId, itemIndex } = task;
  unit.tell(unit.run(task), { type: 'task.progress', taskId, data, ...(itemIndex < 0 ? {} : { itemIndex }) });
}

export interface Answer {
  readonly approved: boolean;
  readonly by: string;
  readonly issuer: string;
  /** Of the caller. */
  readonly roles: readonly string[];
  readonly comment: string;
  readonly data: Json;
}

/**
 * `task`: loaded with the task it is an item of. Answers how many approvals are missing. The same person counts once. Throws `failed_precondition` when the task asks for
 * nothing, `permission_denied` without one of its roles.
 */
export function answerApproval(
  unit: WorkUnit,
  outcomes: Outcomes,
  { task, answer }: { task: TaskRow; answer: Answer },
) {
  const name = task.itemIndex < 0 ? task.taskId : `${task.taskId}[${task.itemIndex}]`;
  if (task.uses !== 'approval')
    throw new CogmeshError('failed_precondition', `task ${name} is no approval, it uses ${task.uses}`);
  if (task.itemsTotal > 0)
    throw new CogmeshError('failed_precondition', `task ${name} asks for each of its items: answer with an index`);
  const record = task.approvals === null ? undefined : (JSON.parse(task.approvals) as ApprovalRecord);
  if (!record || task.state !== 'WAITING')
    throw new CogmeshError('failed_precondition', `task ${name} waits for no answer, it is ${task.state}`);
  requireRole(record, answer);
  const { by, issuer, comment, data } = answer;
  const signal: ApprovalSignal = { by, issuer, at: new Date(unit.now).toISOString(), comment, data };
  const told = JSON.stringify({ signal: { approved: answer.approved, ...signal } });
  if (!answer.approved) {
    tellOf(unit, task, told);
    const why = comment === '' ? '' : `: ${comment}`;
    outcomes.fail(task, failureOf('refused', `refused by ${by}${why}`, { retryable: false, details: signal }));
    return 0;
  }
  const isNew = !record.signals.some((earlier) => earlier.by === by && earlier.issuer === issuer);
  const signals = isNew ? [...record.signals, signal] : record.signals;
  if (isNew) {
    task.approvals = JSON.stringify({ ...record, signals });
    unit.touch(task);
    tellOf(unit, task, told);
  }
  const missing = record.approvers - signals.length;
  if (missing === 0) outcomes.succeed(task, { json: JSON.stringify({ approved: true, approvals: signals }) });
  return missing;
}

function requireRole({ roles }: ApprovalRecord, answer: Answer): void {
  if (roles.length === 0 || roles.some((role) => answer.roles.includes(role))) return;
  throw new CogmeshError('permission_denied', `an approver needs one of the roles ${roles.join(', ')}`, { roles });
}
