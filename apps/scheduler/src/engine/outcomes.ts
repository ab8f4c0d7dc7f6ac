/**
 * What an ending means for the rest of its run, step by step inside one unit: children are released, items joined, a
 * failure spreads. `settle` closes the unit; until then the sets of what ended are only collected, so that a batch of
 * results costs a handful of statements.
 */
import { CogmeshError, errorClasses, isErrorCode } from '@cogmesh/errors';
import {
  afterError,
  afterItems,
  isTerminalRun,
  itemsToRelease,
  releaseChildren,
  type ItemCounters,
  type TaskEvent,
} from '@cogmesh/scheduling-core';
import { blockedItems, edgesFrom } from '../adapters/engine-tables.js';
import { taskKey, type Failure, type RunRow, type TaskRow } from '../model/rows.js';
import { spreadFailure, surviveFailure } from './failure.js';
import type { PlanOf } from './plan-cache.js';
import type { WorkUnit } from './work-unit.js';

export interface Output {
  readonly json: string;
}

export class Outcomes {
  readonly #unit: WorkUnit;
  readonly #random: () => number;
  readonly #satisfied = new Map<RunRow, string[]>();
  /** Tasks that failed for good; what it means for the rest is decided by their policies, last. */
  readonly #failed: { readonly task: TaskRow; readonly failure: Failure }[] = [];
  readonly #endedItems = new Map<TaskRow, number>();
  /** First failure for good among the items of a task. */
  readonly #itemFailures = new Map<TaskRow, Failure>();
  /** Children that became READY, per run; told to the trace. */
  readonly released = new Map<string, number>();

  constructor(unit: WorkUnit, random: () => number = Math.random) {
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
  retryOrFail(task: TaskRow, failure: Failure, planOf: PlanOf): boolean {
    if (this.#isDoomed(task)) return this.fail(task, failure);
    const { retry } = planOf(task);
    const { code, retryable } = failure;
    const next = afterError({ code, retryable, attempt: task.attempt, retry }, this.#random());
    if (next.event === 'fail') return this.fail(task, failure);
    return this.#unit.move(task, 'retry', { error: JSON.stringify(failure), dueAt: this.#unit.now + next.delayMs });
  }

  /** The attempt is lost with its agent. After `poisonAfter` of them the task is taken for the cause and fails for good. */
  lose(task: TaskRow, failure: Failure, { planOf, poisonAfter }: { planOf: PlanOf; poisonAfter: number }): boolean {
    if (task.state !== 'RUNNING') return false;
    task.losses += 1;
    if (task.losses < poisonAfter) return this.retryOrFail(task, failure, planOf);
    const message = `${task.losses} attempts were lost with their agents, the last one because: ${failure.message}`;
    return this.fail(task, failureOf('poison', message, { retryable: false }));
  }

  /** Back to READY with its old place and uncounted; where nothing starts any more, it ends instead. */
  returnUnstarted(task: TaskRow, event: TaskEvent, planOf: PlanOf): boolean {
    if (this.#isDoomed(task)) return this.#cancelDoomed(task);
    const { queueTimeoutMs } = planOf(task);
    const dueAt = queueTimeoutMs === undefined ? null : (task.readyAt ?? this.#unit.now) + queueTimeoutMs;
    if (!this.#unit.move(task, event, { ...unclaimed, dueAt })) return false;
    if (event === 'returned' || event === 'unroutable') this.#unit.effects.handedBack.add(taskKey(task));
    return true;
  }

  /** The wait before a retry is over. */
  tryAgain(task: TaskRow, planOf: PlanOf): boolean {
    if (this.#isDoomed(task)) return this.#cancelDoomed(task);
    return this.#ready(task, planOf, 'timer');
  }

  /** Releases, joins, applies failure policies, notices finished runs. Call once, last. */
  async settle(): Promise<void> {
    const unit = this.#unit;
    const parents = [...this.#endedItems].filter(([parent]) => parent.state === 'RUNNING');
    const planOf = await unit.plans([...parents.map(([parent]) => parent), ...this.#failed.map(({ task }) => task)]);
    for (const [parent, ended] of parents) await this.#settleItems(parent, ended, planOf);
    const { failing, survived } = this.#applyPolicies(planOf);
    for (const [run, ids] of this.#satisfied) if (run.error === null) await this.#release(run, ids);
    for (const [run, failures] of survived) await surviveFailure(unit, run, failures);
    for (const [run, failed] of failing) await spreadFailure(unit, run, failed);
    for (const run of unit.runs.values()) {
      if (run.openTasks === 0 && !isTerminalRun(run.state)) unit.effects.finalise.push(run.id);
    }
  }

  #applyPolicies(planOf: PlanOf) {
    const failing = new Map<RunRow, string[]>();
    const survived = new Map<RunRow, { readonly skipBelow: string[]; readonly failed: string[] }>();
    for (const { task, failure } of this.#failed) {
      const run = this.#unit.run(task);
      const { onFailure = 'fail' } = planOf(task);
      this.#unit.touchRun(run);
      if (onFailure === 'fail') {
        run.error ??= JSON.stringify(failure);
        failing.set(run, [...(failing.get(run) ?? []), task.taskId]);
        continue;
      }
      const { skipBelow, failed } = survived.get(run) ?? { skipBelow: [], failed: [] };
      survived.set(run, { skipBelow, failed });
      failed.push(task.taskId);
      if (onFailure === 'continue') {
        run.failure ??= JSON.stringify(failure);
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
    const parent = task.itemIndex < 0 ? undefined : this.#unit.task({ ...task, itemIndex: -1 });
    return parent !== undefined && parent.state !== 'RUNNING';
  }

  #cancelDoomed(task: TaskRow): boolean {
    const error = JSON.stringify(notStarted);
    if (!this.#unit.move(task, 'cancel', { error })) return false;
    const parent = task.itemIndex < 0 ? undefined : this.#unit.task({ ...task, itemIndex: -1 });
    if (parent?.state === 'RUNNING') this.#unit.move(parent, 'cancel', { error });
    return true;
  }

  #itemFailed(item: TaskRow, failure: Failure): void {
    const parent = this.#itemEnded(item, 'itemsFailed');
    if (!this.#itemFailures.has(parent)) this.#itemFailures.set(parent, failure);
  }

  #satisfy(task: TaskRow): void {
    const run = this.#unit.run(task);
    const ids = this.#satisfied.get(run);
    if (ids) ids.push(task.taskId);
    else this.#satisfied.set(run, [task.taskId]);
  }

  #itemEnded(item: TaskRow, counter: 'itemsSucceeded' | 'itemsFailed'): TaskRow {
    const parent = this.#unit.task({ ...item, itemIndex: -1 });
    if (!parent)
      throw new CogmeshError('internal', `the task of item ${item.taskId}[${item.itemIndex}] was not loaded`);
    parent[counter] += 1;
    parent.outputBytes += item.outputBytes;
    parent.capability ??= item.capability;
    parent.agentId ??= item.agentId;
    parent.attempt = Math.max(parent.attempt, item.attempt);
    this.#endedItems.set(parent, (this.#endedItems.get(parent) ?? 0) + 1);
    this.#unit.touch(parent);
    return parent;
  }

  async #settleItems(parent: TaskRow, ended: number, planOf: PlanOf): Promise<void> {
    const unit = this.#unit;
    const counters = countersOf(parent);
    unit.tell(unit.run(parent), {
      type: 'task.progress',
      taskId: parent.taskId,
      data: JSON.stringify(progressOf(parent)),
    });
    const { parent: verdict } = afterItems(counters, planOf(parent).itemFailure);
    const failure = this.#itemFailures.get(parent);
    if (verdict === 'failed' && failure) {
      unit.move(parent, 'fail', { error: JSON.stringify(failure) });
      this.#failed.push({ task: parent, failure });
    } else if (verdict === 'joined') unit.effects.aggregate.push(parent);
    else if (unit.run(parent).error === null) await this.#releaseItems(parent, itemsToRelease(counters, ended), planOf);
  }

  async #releaseItems(
    parent: TaskRow,
    range: { readonly from: number; readonly to: number },
    planOf: PlanOf,
  ): Promise<void> {
    if (range.to <= range.from) return;
    for (const item of this.#unit.adopt(await blockedItems(this.#unit.tx, parent, range))) this.#ready(item, planOf);
    parent.itemsReleased = range.to;
  }

  async #release(run: RunRow, parents: readonly string[]): Promise<void> {
    const unit = this.#unit;
    const edges = await edgesFrom(unit.tx, run.id, parents);
    const ids = [...new Set(edges.map((edge) => edge.child))].sort();
    const children = await unit.load(ids.map((taskId) => ({ runId: run.id, taskId, itemIndex: -1 })));
    const planOf = await unit.plans(children);
    const byId = new Map(children.map((child) => [child.taskId, child]));
    const moves = releaseChildren(
      children.map(({ taskId: id, state, pending }) => ({ id, state, pending })),
      edges,
    );
    for (const { id, pending, released } of moves) {
      const child = byId.get(id);
      if (!child) continue;
      child.pending = pending;
      unit.touch(child);
      if (released) this.#ready(child, planOf);
    }
    this.released.set(run.id, moves.filter((move) => move.released).length);
  }

  #ready(task: TaskRow, planOf: PlanOf, event: TaskEvent = 'released'): boolean {
    const { queueTimeoutMs } = planOf(task);
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

export function countersOf(parent: TaskRow): ItemCounters {
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
