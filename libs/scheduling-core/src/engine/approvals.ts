/** `approval` tasks: what is asked, who answered what and when. Nothing but a signal or the time-out ends one. */
import { CogmeshError } from '@cogmesh/errors';
import type { Json } from '../json.js';
import type { TaskPlan } from '../run-plan.js';
import { failureOf, type Outcomes } from './outcomes.js';
import type { ApprovalRecord, ApprovalSignal, TaskRow } from './rows.js';
import type { Unit } from './unit.js';

export function askApproval(
  unit: Unit,
  task: TaskRow,
  { message, plan }: { readonly message: string; readonly plan: TaskPlan },
): void {
  const { approvers = 1, roles = [], ...except } = plan.approval ?? {};
  const record: ApprovalRecord = { message, approvers, roles, ...except, signals: [] };
  const { now } = unit;
  unit.move(task, 'wait', {
    attempt: task.attempt + 1,
    startedAt: now,
    dueAt: now + plan.timeoutMs,
    approvals: JSON.stringify(record),
  });
  tellOf(unit, task, { approval: { message, approvers, roles, ...except } });
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
 * nothing, `permission_denied` without one of its roles, or to its own submitter where it asks for somebody else.
 */
export function answerApproval(
  unit: Unit,
  outcomes: Outcomes,
  { task, answer }: { readonly task: TaskRow; readonly answer: Answer },
): number {
  const record = recordOf(task);
  requireRole(record, answer);
  requireAnother(record, answer, unit.run(task).submittedBy);
  const { by, issuer, comment, data } = answer;
  const signal: ApprovalSignal = { by, issuer, at: new Date(unit.now).toISOString(), comment, data };
  const told = { signal: { approved: answer.approved, ...signal } };
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

function recordOf(task: TaskRow): ApprovalRecord {
  const name = task.itemIndex < 0 ? task.taskId : `${task.taskId}[${task.itemIndex}]`;
  if (task.uses !== 'approval')
    throw new CogmeshError('failed_precondition', `task ${name} is no approval, it uses ${task.uses}`);
  if (task.itemsTotal > 0)
    throw new CogmeshError('failed_precondition', `task ${name} asks for each of its items: answer with an index`);
  if (task.approvals === null || task.state !== 'WAITING')
    throw new CogmeshError('failed_precondition', `task ${name} waits for no answer, it is ${task.state}`);
  return JSON.parse(task.approvals) as ApprovalRecord;
}

function tellOf(unit: Unit, { taskId, itemIndex, ...task }: TaskRow, what: object): void {
  const index = itemIndex < 0 ? {} : { itemIndex };
  unit.tell(unit.run(task), { type: 'task.progress', taskId, ...index, data: JSON.stringify(what) });
}

function requireRole({ roles }: ApprovalRecord, answer: Answer): void {
  if (roles.length === 0 || roles.some((role) => answer.roles.includes(role))) return;
  throw new CogmeshError('permission_denied', `an approver needs one of the roles ${roles.join(', ')}`, { roles });
}

/** Whoever issued the name: a person may have the same one with two issuers, and then is refused rather than let through. */
function requireAnother({ notBy }: ApprovalRecord, { by, approved }: Answer, submitter: string): void {
  if (notBy !== 'submitter' || !approved || by !== submitter) return;
  throw new CogmeshError('permission_denied', `${by} submitted the run; somebody else has to approve it`, { by });
}
