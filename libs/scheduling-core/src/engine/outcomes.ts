/**
 * What an ending means for the rest of its run, step by step inside one unit: children are released, items joined, a
 * failure spreads. `settle` closes the unit; until then what ended is only collected, so that a batch of results costs what
 * it changes and not what its runs hold.
 */
import { CogmeshError, errorClasses, isErrorCode } from '@cogmesh/errors';
import { afterItems, itemsToRelease, releaseChildren, type Dependency, type ItemCounters } from '../plan.js';
import { afterError } from '../retry.js';
import { isTerminalRun, type TaskEvent } from '../states.js';
import { spreadFailure, surviveFailure } from './failure.js';
import type { ResidentRun } from './resident-run.js';
import { taskKey, type Failure, type TaskRow } from './rows.js';
import type { Unit } from './unit.js';

export interface Output {
  readonly json: string;
}

interface Failed {
  readonly task: TaskRow;
  readonly failure: Failure;
}

export class Outcomes {
  readonly #unit: Unit;
  readonly #random: () => number;
  readonly #satisfied = new Map<ResidentRun, string[]>();
  /** Tasks that failed for good; what it means for the rest is decided by their policies, last. */
  readonly #failed: Failed[] = [];
  readonly #endedItems = new Map<TaskRow, number>();
  /** First failure for good among the items of a task. */
  readonly #itemFailures = new Map<TaskRow, Failure>();
  /** Children that became READY, per run; told to the trace. */
  readonly released = new Map<string, number>();

  /** `random`: 0 to 1. */
  constructor(unit: Unit, random: () => number) {
    this.#unit = unit;
    this.#random = random;
  }

  succeed(task: TaskRow, { json }: Output, event: TaskEvent = 'succeed'): boolean {
    if (!this.#unit.move(task, event, { output: json, outputBytes: Buffer.byteLength(json), error: null }))
      return false;
    if (task.itemIndex < 0) this.#satisfy(task);
    else this.#itemEnded(task, 'itemsSucceeded');
    return true;
  }

  /** `when` is false: output null, children go on. */
  skip(task: TaskRow): boolean {
    if (!this.#unit.move(task, 'condition_false', { output: 'null' })) return false;
    this.#satisfy(task);
    return true;
  }

  /** Fails for good. */
  fail(task: TaskRow, failure: Failure, event: TaskEvent = 'fail'): boolean {
    if (!this.#unit.move(task, event, { error: JSON.stringify(failure) })) return false;
    const named = failureOfTask(task, failure);
    if (task.itemIndex >= 0) this.#itemFailed(task, named);
    else this.#failed.push({ task, failure: named });
    return true;
  }

  /** Tries again, or fails for good when attempts are spent or nobody waits for the task any more. */
  retryOrFail(task: TaskRow, failure: Failure): boolean {
    if (this.#isDoomed(task)) return this.fail(task, failure);
    const { retry } = this.#unit.planOf(task);
    const { code, retryable } = failure;
    const next = afterError({ code, retryable, attempt: task.attempt, retry }, this.#random());
    if (next.event === 'fail') return this.fail(task, failure);
    return this.#unit.move(task, 'retry', { error: JSON.stringify(failure), dueAt: this.#unit.now + next.delayMs });
  }

  /** The attempt is lost with its agent. After `poisonAfter` of them the task is taken for the cause and fails for good. */
  lose(task: TaskRow, failure: Failure, { poisonAfter }: { readonly poisonAfter: number }): boolean {
    if (task.state !== 'RUNNING') return false;
    task.losses += 1;
    if (task.losses < poisonAfter) return this.retryOrFail(task, failure);
    const message = `${task.losses} attempts were lost with their agents, the last one because: ${failure.message}`;
    return this.fail(task, failureOf('poison', message, { retryable: false }));
  }

  /** Back to READY with its old place and uncounted; where nothing starts any more, it ends instead. */
  returnUnstarted(task: TaskRow, event: TaskEvent): boolean {
    if (this.#isDoomed(task)) return this.#cancelDoomed(task);
    const { queueTimeoutMs } = this.#unit.planOf(task);
    const dueAt = queueTimeoutMs === undefined ? null : (task.readyAt ?? this.#unit.now) + queueTimeoutMs;
    if (!this.#unit.move(task, event, { ...unclaimed, dueAt })) return false;
    if (event === 'returned' || event === 'unroutable') this.#unit.effects.handedBack.add(taskKey(task));
    return true;
  }

  /** The wait before a retry is over. */
  tryAgain(task: TaskRow): boolean {
    return this.#isDoomed(task) ? this.#cancelDoomed(task) : this.#ready(task, 'timer');
  }

  /** Releases, joins, applies failure policies, notices finished runs. Called once, last. */
  settle(): void {
    const unit = this.#unit;
    for (const [parent, ended] of this.#endedItems) if (parent.state === 'RUNNING') this.#settleItems(parent, ended);
    const { failing, survived } = this.#applyPolicies();
    for (const [run, ids] of this.#satisfied) if (run.row.error === null) this.#release(run, ids);
    for (const [run, failures] of survived) surviveFailure(unit, run, failures);
    for (const [run, ids] of failing) spreadFailure(unit, run, ids);
    for (const { id, openTasks, state } of unit.counted) {
      if (openTasks === 0 && !isTerminalRun(state)) unit.effects.finalise.push(id);
    }
  }

  #applyPolicies() {
    const failing = new Map<ResidentRun, string[]>();
    const survived = new Map<ResidentRun, { readonly skipBelow: string[]; readonly failed: string[] }>();
    for (const { task, failure } of this.#failed) {
      const resident = this.#unit.resident(task);
      const { row } = resident;
      const { onFailure = 'fail' } = this.#unit.planOf(task);
      this.#unit.touchRun(row);
      if (onFailure === 'fail') {
        row.error ??= JSON.stringify(failure);
        listIn(failing, resident).push(task.taskId);
        continue;
      }
      const { skipBelow, failed } = survived.get(resident) ?? { skipBelow: [], failed: [] };
      survived.set(resident, { skipBelow, failed });
      failed.push(task.taskId);
      if (onFailure === 'continue') {
        row.failure ??= JSON.stringify(failure);
        skipBelow.push(task.taskId);
      } else {
        task.output = 'null';
        this.#unit.touch(task);
        this.#satisfy(task);
      }
    }
    return { failing, survived };
  }

  /** Nothing waits for it: its run is failing, or the forEach it is an item of has failed. */
  #isDoomed(task: TaskRow): boolean {
    if (this.#unit.run(task).error !== null) return true;
    const parent = task.itemIndex < 0 ? undefined : this.#parentOf(task);
    return parent !== undefined && parent.state !== 'RUNNING';
  }

  #cancelDoomed(task: TaskRow): boolean {
    const error = JSON.stringify(notStarted);
    if (!this.#unit.move(task, 'cancel', { error })) return false;
    const parent = task.itemIndex < 0 ? undefined : this.#parentOf(task);
    if (parent?.state === 'RUNNING') this.#unit.move(parent, 'cancel', { error });
    return true;
  }

  #itemFailed(item: TaskRow, failure: Failure): void {
    const parent = this.#itemEnded(item, 'itemsFailed');
    if (!this.#itemFailures.has(parent)) this.#itemFailures.set(parent, failure);
  }

  #satisfy(task: TaskRow): void {
    listIn(this.#satisfied, this.#unit.resident(task)).push(task.taskId);
  }

  #itemEnded(item: TaskRow, counter: 'itemsSucceeded' | 'itemsFailed'): TaskRow {
    const parent = this.#parentOf(item);
    parent[counter] += 1;
    parent.outputBytes += item.outputBytes;
    parent.capability ??= item.capability;
    parent.agentId ??= item.agentId;
    parent.attempt = Math.max(parent.attempt, item.attempt);
    this.#endedItems.set(parent, (this.#endedItems.get(parent) ?? 0) + 1);
    this.#unit.touch(parent);
    return parent;
  }

  #parentOf(item: TaskRow): TaskRow {
    const parent = this.#unit.task({ ...item, itemIndex: -1 });
    if (parent) return parent;
    throw new CogmeshError('data_loss', `item ${item.itemIndex} of ${item.taskId} in ${item.runId} has no task`);
  }

  #settleItems(parent: TaskRow, ended: number): void {
    const unit = this.#unit;
    const counters = countersOf(parent);
    const { taskId } = parent;
    unit.tell(unit.run(parent), { type: 'task.progress', taskId, data: JSON.stringify(progressOf(parent)) });
    const { parent: verdict } = afterItems(counters, unit.planOf(parent).itemFailure);
    const failure = this.#itemFailures.get(parent);
    if (verdict === 'failed' && failure) {
      unit.move(parent, 'fail', { error: JSON.stringify(failure) });
      this.#failed.push({ task: parent, failure });
    } else if (verdict === 'joined') unit.effects.aggregate.push(parent);
    else if (unit.run(parent).error === null) this.#releaseItems(parent, itemsToRelease(counters, ended));
  }

  #releaseItems(parent: TaskRow, { from, to }: { readonly from: number; readonly to: number }): void {
    if (to <= from) return;
    for (const item of this.#unit.resident(parent).items(parent.taskId).slice(from, to)) {
      if (item.state === 'BLOCKED') this.#ready(item);
    }
    parent.itemsReleased = to;
  }

  #release(run: ResidentRun, parents: readonly string[]): void {
    const edges: Dependency[] = parents.flatMap((parent) => run.children(parent).map((child) => ({ parent, child })));
    const children = [...new Set(edges.map(({ child }) => child))].flatMap((id) => run.task(id) ?? []);
    const byId = new Map(children.map((child) => [child.taskId, child]));
    const moves = releaseChildren(
      children.map(({ taskId: id, state, pending }) => ({ id, state, pending })),
      edges,
    );
    for (const { id, pending, released } of moves) {
      const child = byId.get(id);
      if (!child) continue;
      child.pending = pending;
      this.#unit.touch(child);
      if (released) this.#ready(child);
    }
    this.released.set(run.row.id, moves.filter((move) => move.released).length);
  }

  #ready(task: TaskRow, event: TaskEvent = 'released'): boolean {
    const { queueTimeoutMs } = this.#unit.planOf(task);
    const dueAt = queueTimeoutMs === undefined ? null : this.#unit.now + queueTimeoutMs;
    return this.#unit.move(task, event, { ...unclaimed, readyAt: this.#unit.now, dueAt });
  }
}

const unclaimed = { attemptId: null, agentId: null, queue: null, capability: null, claimedAt: null, traceparent: null };

const notStarted: Failure = {
  code: 'task_failed',
  message: 'not started, because the run has failed',
  retryable: false,
};

function listIn<Key>(lists: Map<Key, string[]>, key: Key): string[] {
  let list = lists.get(key);
  if (!list) lists.set(key, (list = []));
  return list;
}

function countersOf(parent: TaskRow): ItemCounters {
  const { itemsTotal: total, itemsSucceeded: succeeded, itemsFailed: failed, itemsReleased: released } = parent;
  return { total, succeeded, failed, released };
}

const progressOf = (parent: TaskRow) => ({
  total: parent.itemsTotal,
  succeeded: parent.itemsSucceeded,
  failed: parent.itemsFailed,
});

function failureOfTask(task: TaskRow, failure: Failure): Failure {
  const name = task.itemIndex < 0 ? task.taskId : `${task.taskId}[${task.itemIndex}]`;
  return { ...failure, message: `task ${name} failed: ${failure.message}` };
}

/** A Failure from a code that may be one of ours or an agent's own. */
export function failureOf(
  code: string,
  message: string,
  extra: { retryable?: boolean; details?: unknown } = {},
): Failure {
  const retryable = extra.retryable ?? (isErrorCode(code) && errorClasses[code].retryable);
  return { code, message, retryable, ...(extra.details === undefined ? {} : { details: extra.details }) };
}
