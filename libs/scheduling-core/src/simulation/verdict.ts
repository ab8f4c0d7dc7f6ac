/**
 * Judges a run that is over: is each state and each output one that the naive model allows, given what agents reported and
 * callers asked? Nothing here trusts a word of the scheduler but the final rows.
 */
import type { Json } from '../json.js';
import type { TaskRow } from '../engine/rows.js';
import {
  ancestorsOf,
  conditionOf, endOf, errorOf, inputOf, isBelowFailure, isFailing, isOver, isSame, itemsOf, joinedOf, listOf, outputOf,
  runOutputOf, taskOf, unmet, type Meant,
} from './naive-model.js'; // prettier-ignore
import type { Observations } from './observations.js';
import type { TaskSpec } from './scenario.js';
import type { StoredState } from './stored-state.js';
import type { Violations } from './violations.js';

export interface Court {
  readonly state: StoredState;
  readonly observed: Observations;
  readonly violations: Violations;
  readonly poisonAfter: number;
  readonly wasCancelled: (runId: string) => boolean;
}

/** Agent tasks and items that ended well: each took exactly one accepted result. */
export interface Tally {
  succeeded: number;
}

export function judge(court: Court, run: Meant, tally: Tally): void {
  const { row, spec } = run;
  demand(court, isOver(row.state), `run ${row.id} is ${row.state}`);
  judgeEnd(court, run);
  for (const task of spec.tasks.values()) judgeTask(court, run, { task, tally });
  const strays = run.tasks.filter(({ taskId }) => !spec.tasks.has(taskId));
  demand(court, strays.length === 0, `run ${row.id} has tasks that nobody asked for: ${strays.map((t) => t.taskId)}`);
}

const demand = ({ violations }: Court, holds: boolean, message: string): void =>
  violations.require(holds, 'meaning', () => message);

function judgeEnd(court: Court, run: Meant): void {
  const { row } = run;
  const code = errorOf(row)?.code;
  if (row.state === 'CANCELLED') {
    const isOrphan = row.parentRunId !== null;
    return demand(court, court.wasCancelled(row.id) || isOrphan, `run ${row.id} was cancelled, nobody asked for it`);
  }
  const { deadlineMs } = run.spec.plan;
  if (row.state === 'FAILED' && code === 'timeout' && endOf(run) === 'SUCCEEDED') {
    const late = deadlineMs !== undefined || row.parentRunId !== null;
    return demand(court, late, `run ${row.id} failed by a deadline it does not have`);
  }
  if (row.state === 'FAILED' && isEndedByDeadline(run)) return;
  demand(court, row.state === endOf(run), `run ${row.id} is ${row.state}, its tasks say ${endOf(run)}`);
  if (row.state !== 'SUCCEEDED') return;
  const output = row.output === null ? null : (JSON.parse(row.output) as Json);
  const wanted = runOutputOf(run);
  demand(court, isSame(output, wanted), `output of ${row.id} is ${row.output}, not ${JSON.stringify(wanted)}`);
}

const isEndedByDeadline = ({ row }: Meant): boolean => errorOf(row)?.message.includes('deadline') ?? false;

/** Somebody or something ended the whole run, whatever its tasks were about. */
const isCutShort = (run: Meant): boolean => run.row.state === 'CANCELLED' || isEndedByDeadline(run);

interface Case {
  readonly task: TaskSpec;
  readonly tally: Tally;
}

function judgeTask(court: Court, run: Meant, { task, tally }: Case): void {
  const row = taskOf(run, task.plan.id);
  const name = `task ${task.plan.id} of ${run.row.id}`;
  if (!row) return demand(court, false, `${name} is gone`);
  const missing = unmet(run, task);
  const isStarted =
    row.state === 'SUCCEEDED' || row.state === 'FAILED' || (row.state === 'SKIPPED' && row.error === null);
  if (isStarted) demand(court, missing.length === 0, `${name} is ${row.state} before ${missing.join(', ')}`);
  if (row.state === 'SUCCEEDED') {
    demand(court, conditionOf(run, task) !== false, `${name} ran although its condition is false`);
    judgeSuccess(court, run, { row, task, tally });
  } else if (row.state === 'FAILED') judgeFailure(court, run, { row, task });
  else if (row.state === 'CANCELLED') {
    demand(court, isCutShort(run) || isFailing(run), `${name} was cancelled although its run went on`);
  } else if (row.error === null) {
    demand(court, conditionOf(run, task) === false, `${name} was skipped although its condition is true`);
  } else {
    demand(court, isBelowFailure(run, task), `${name} was skipped although nothing above it failed`);
  }
  for (const item of itemsOf(run, task.plan.id)) judgeItem(court, run, { row: item, task, tally, parent: row });
}

interface Row {
  readonly row: TaskRow;
  readonly task: TaskSpec;
}

const nameOf = ({ runId, taskId, itemIndex }: TaskRow): string =>
  itemIndex < 0 ? `task ${taskId} of ${runId}` : `item ${taskId}[${itemIndex}] of ${runId}`;

function judgeItem(
  court: Court,
  run: Meant,
  { row, task, tally, parent }: Row & Case & { readonly parent: TaskRow },
): void {
  demand(court, isOver(row.state), `${nameOf(row)} is ${row.state}`);
  if (row.state === 'SUCCEEDED') judgeLeaf(court, run, { row, task, tally });
  else if (row.state === 'FAILED') judgeFailure(court, run, { row, task });
  else {
    const isLost = parent.state === 'FAILED' || parent.state === 'CANCELLED';
    demand(court, row.state === 'CANCELLED' && isLost, `${nameOf(row)} is ${row.state}, its task ${parent.state}`);
  }
}

function judgeSuccess(court: Court, run: Meant, { row, task, tally }: Row & Case): void {
  const { id, itemFailure = 'fail' } = task.plan;
  if (!task.each) return judgeLeaf(court, run, { row, task, tally });
  const items = itemsOf(run, id);
  const list = listOf(run, task);
  demand(court, items.length === list?.length, `${nameOf(row)} has ${items.length} items of ${list?.length}`);
  const isLost = (item: TaskRow): boolean => item.state === 'FAILED' && itemFailure === 'continue';
  const bad = items.find((item) => item.state !== 'SUCCEEDED' && !isLost(item));
  demand(court, bad === undefined, `${nameOf(row)} ended well although item ${bad?.itemIndex} is ${bad?.state}`);
  const joined = joinedOf(run, id);
  demand(
    court,
    isSame(outputOf(run, id), joined),
    `output of ${nameOf(row)} is ${row.output}, not ${JSON.stringify(joined)}`,
  );
}

/** A task or item that something worked on itself. */
function judgeLeaf(court: Court, run: Meant, { row, task, tally }: Row & Case): void {
  switch (task.kind) {
    case 'agent':
      if (!isAdopted(court, row)) tally.succeeded += 1;
      return judgeAgents(court, run, { row, task });
    case 'sleep':
      return demand(court, row.output === 'null', `${nameOf(row)} slept and says ${row.output}`);
    case 'nested':
      return judgeRunInside(court, row);
    case 'approval':
      return judgeApproval(court, { row, task });
  }
}

/** It was done in the run that this one retries. */
const isAdopted = ({ observed }: Court, { attemptId, runId }: TaskRow): boolean =>
  observed.starts.get(attemptId ?? '')?.runId !== runId;

function judgeRunInside(court: Court, row: TaskRow): void {
  const nested = court.state.runs.get(row.attemptId ?? '')?.row;
  const isRight = nested?.state === 'SUCCEEDED' && nested.output === row.output;
  demand(court, isRight, `${nameOf(row)} is not what its run says: ${row.output}, ${nested?.output}`);
}

function judgeApproval(court: Court, { row, task }: Row): void {
  interface Approval {
    readonly approved?: boolean;
    readonly approvals?: readonly unknown[];
  }
  const { approved, approvals } = JSON.parse(row.output ?? '{}') as Approval;
  const isRight = approved === true && approvals?.length === task.plan.approval?.approvers;
  demand(court, isRight, `${nameOf(row)} was approved by ${row.output}`);
}

function judgeAgents({ observed, violations }: Court, run: Meant, { row, task }: Row): void {
  const id = row.attemptId ?? '';
  const results = observed.results.get(id) ?? [];
  const isReported = results.some(({ outcome }) => outcome.case === 'output' && outcome.json === row.output);
  violations.require(
    isReported,
    'one result',
    () => `${nameOf(row)} has an output that its attempt ${id} never reported`,
  );
  const given = observed.starts.get(id);
  const wanted = inputOf(run, task, row.itemIndex);
  const isRight = given !== undefined && isSame(JSON.parse(given.inputJson) as Json, wanted);
  violations.require(
    isRight,
    'meaning',
    () => `${nameOf(row)} was given ${given?.inputJson}, not ${JSON.stringify(wanted)}`,
  );
}

function judgeFailure(court: Court, run: Meant, { row, task }: Row): void {
  const { code = '' } = errorOf(row) ?? {};
  const { plan, kind } = task;
  const { maxAttempts } = plan.retry;
  const name = `${nameOf(row)} failed with ${row.error}`;
  demand(court, row.attempt <= maxAttempts, `${name} after ${row.attempt} attempts of ${maxAttempts}`);
  if (task.each && row.itemIndex < 0) return judgeLostItems(court, run, { row, task });
  if (kind === 'nested' && row.attemptId !== null) return judgeNested(court, { row, task });
  if (code === 'queue_timeout') return demand(court, plan.queueTimeoutMs !== undefined, name);
  if (kind === 'agent') return judgeAttempts(court, run, { row, task });
  demand(court, kind === 'approval' && ['refused', 'approval_timeout'].includes(code), name);
}

/** It was tried as often as it may be, or nobody waited for it any more. */
function judgeAttempts(court: Court, run: Meant, { row, task }: Row): void {
  // An item of a task that was taken over: judged where it was tried.
  if ((row.finishedAt ?? 0) < run.row.createdAt) return;
  const { id, retry } = task.plan;
  const name = `${nameOf(row)} failed with ${row.error}`;
  const isDoomed = isFailing(run) || isCutShort(run) || taskOf(run, id)?.state === 'FAILED';
  const isSpent = row.attempt >= retry.maxAttempts || isFinal(court, { row, task });
  demand(court, isReported(court, row), `${name}, which nobody reported`);
  demand(court, isSpent || isDoomed, `${name} after ${row.attempt} attempts of ${retry.maxAttempts}`);
}

function isReported(court: Court, row: TaskRow): boolean {
  const { code = '' } = errorOf(row) ?? {};
  return losses.includes(code) || reportedError(court, row)?.code === code;
}

/** Not to be tried again, however often it was. */
function isFinal(court: Court, { row, task }: Row): boolean {
  const { code = '' } = errorOf(row) ?? {};
  const isExcluded = task.plan.retry.notOn?.includes(code) ?? false;
  return code === 'poison' || isExcluded || reportedError(court, row)?.retryable === false;
}

/** Nobody reports these. */
const losses = ['lease_lost', 'timeout', 'poison'];

function reportedError({ observed }: Court, { attemptId }: TaskRow) {
  const outcomes = (observed.results.get(attemptId ?? '') ?? []).map(({ outcome }) => outcome);
  return outcomes.find((outcome) => outcome.case === 'error');
}

function judgeLostItems(court: Court, run: Meant, { row, task }: Row): void {
  const { id, itemFailure = 'fail', queueTimeoutMs } = task.plan;
  const isLost = itemFailure === 'fail' && itemsOf(run, id).some(({ state }) => state === 'FAILED');
  const isLate = errorOf(row)?.code === 'queue_timeout' && queueTimeoutMs !== undefined;
  demand(court, isLost || isLate, `${nameOf(row)} failed with ${row.error} although no item did`);
}

function judgeNested(court: Court, { row }: Row): void {
  const { state } = court.state.runs.get(row.attemptId ?? '')?.row ?? {};
  const code = errorOf(row)?.code;
  // One that took too long may have come to a good end before it heard that nobody waits.
  const isEnded = state === 'FAILED' || state === 'CANCELLED' || code === 'timeout';
  demand(court, isEnded, `${nameOf(row)} failed with ${code}, its run is ${state}`);
}

/** A retry does again what did not end well, and everything below it, and nothing else. */
export function judgeRetry(court: Court, retried: Meant, again: Meant): void {
  for (const { plan } of retried.spec.tasks.values()) {
    const above = ancestorsOf(retried, plan.id);
    const isWell = [plan.id, ...above].every((id) => isWellEnded(retried, id));
    const [before, after] = [taskOf(retried, plan.id), taskOf(again, plan.id)];
    const isSame = before?.finishedAt === after?.finishedAt && before?.attemptId === after?.attemptId;
    demand(court, !isWell || isSame, `task ${plan.id} of ${again.row.id} was done again although it had ended well`);
    const isAgain = (after?.finishedAt ?? Infinity) >= again.row.createdAt;
    demand(
      court,
      isWell || isAgain,
      `task ${plan.id} of ${again.row.id} was taken over although it had not ended well`,
    );
  }
}

function isWellEnded(run: Meant, id: string): boolean {
  const task = taskOf(run, id);
  return task?.state === 'SUCCEEDED' || (task?.state === 'SKIPPED' && task.error === null);
}
