/**
 * Looks at everything that is stored, as it is stored: whether what was there may become what is there now, and whether each
 * task of a run that was touched has exactly one reason to be where it is. It knows states by name and rows by sight, and
 * nothing of how the engine comes to its decisions.
 */
import type { Flush } from '../engine/ports.js';
import type { RunRow, TaskRow } from '../engine/rows.js';
import type { StoredRun, StoredState } from './stored-state.js';
import { isOver } from './naive-model.js';
import type { Violations } from './violations.js';

export interface WatchOptions {
  readonly violations: Violations;
  /** Each scope a task is in: most attempts at once in all of these shards. */
  readonly limitsOf: (
    task: TaskRow,
    shards: readonly number[],
  ) => readonly { readonly scope: string; readonly most: number }[];
  /** Whoever writes here is the newest owner of the shard. */
  readonly isOwner: (shard: number) => boolean;
}

const inShard = (scope: string, shard: number): string => `${shard} ${scope}`;

const heldStates = ['CLAIMED', 'PUBLISHED', 'RUNNING'];
const isHeldNow = ({ state, attemptId }: TaskRow): boolean => heldStates.includes(state) && attemptId !== null;

export class CommitWatch {
  readonly #options: WatchOptions;
  readonly #memory: WatchMemory;
  #before = new Map<TaskRow, TaskRow | undefined>();
  /** What whoever writes believes to own, and what of that is true. */
  #owned: readonly number[] = [];
  #trulyOwned: readonly number[] = [];
  #runsBefore = new Map<string, RunRow | undefined>();

  /** Watches that share their memory see what several processes store. */
  constructor(options: WatchOptions, memory: WatchMemory) {
    this.#options = options;
    this.#memory = memory;
  }

  before(flush: Flush, state: StoredState): void {
    this.#owned = [...flush.owned.keys()];
    this.#trulyOwned = [...flush.owned].filter(([shard, epoch]) => epoch >= state.epoch(shard)).map(([shard]) => shard);
    this.#before = new Map([...flush.newTasks, ...flush.tasks].map((task) => [task, state.task(task)]));
    this.#runsBefore = new Map(flush.runs.map((run) => [run.id, state.runs.get(run.id)?.row]));
  }

  after(flush: Flush, state: StoredState): void {
    const touched = new Set([...flush.newTasks, ...flush.tasks].map(({ runId }) => runId));
    for (const run of flush.runs) touched.add(run.id);
    for (const id of touched) {
      const run = state.runs.get(id);
      if (run) this.#owner(run.row);
    }
    for (const [task, known] of this.#before) this.#moved(task, known);
    for (const [task] of this.#before) this.#limits(task);
    for (const run of flush.runs) this.#runMoved(run, this.#runsBefore.get(run.id));
    for (const id of touched) {
      const run = state.runs.get(id);
      if (run) this.#whole(run, state);
    }
  }

  #owner({ id, shard }: RunRow): void {
    this.#require(this.#options.isOwner(shard), 'fencing', () => `${id} was written by somebody who lost its shard`);
  }

  #moved(task: TaskRow, known: TaskRow | undefined): void {
    this.#count(task, known);
    if (!known) return;
    const name = nameOf(task);
    const isAbsorbed = !isOver(known.state) || known.state === task.state;
    this.#require(isAbsorbed, 'terminal', () => `${name} was ${known.state} and is ${task.state}`);
    this.#require(
      task.state !== 'BLOCKED' || known.state === 'BLOCKED',
      'never stuck',
      () => `${name} is BLOCKED again`,
    );
    this.#require(task.attempt >= known.attempt, 'meaning', () => `${name} forgot attempts`);
    const isOfAgent = task.attemptId !== null && task.uses !== 'run';
    if (task.state === 'SUCCEEDED' && known.state !== 'SUCCEEDED' && isOfAgent) this.#accept(task);
  }

  #accept(task: TaskRow): void {
    const key = nameOf(task);
    const earlier = this.#memory.accepted.get(key);
    this.#require(earlier === undefined, 'one result', () => `${key} has results of ${earlier} and ${task.attemptId}`);
    this.#memory.accepted.set(key, task.attemptId ?? '');
  }

  #count(task: TaskRow, known: TaskRow | undefined): void {
    if (known && isHeldNow(known)) this.#add(known, -1);
    if (isHeldNow(task)) this.#add(task, 1);
  }

  #add(task: TaskRow, by: number): void {
    for (const { scope } of this.#options.limitsOf(task, this.#owned)) {
      const key = inShard(scope, task.shard);
      this.#memory.inFlight.set(key, (this.#memory.inFlight.get(key) ?? 0) + by);
    }
  }

  /** Only what begins is held to a limit: one that was lowered may be exceeded for a while. */
  #limits(task: TaskRow): void {
    if (task.state !== 'CLAIMED' || this.#before.get(task)?.attemptId === task.attemptId) return;
    for (const { scope, most } of this.#options.limitsOf(task, this.#owned)) {
      let inFlight = 0;
      // What a newer owner does with a shard, its last one cannot know yet.
      for (const shard of this.#trulyOwned) inFlight += this.#memory.inFlight.get(inShard(scope, shard)) ?? 0;
      this.#require(inFlight <= most, 'limits', () => `${scope} has ${inFlight} of at most ${most} in flight`);
    }
  }

  #runMoved(run: RunRow, known: RunRow | undefined): void {
    if (!known) return;
    const isAbsorbed = !isOver(known.state) || known.state === run.state;
    this.#require(isAbsorbed, 'terminal', () => `${run.id} was ${known.state} and is ${run.state}`);
  }

  #whole(run: StoredRun, state: StoredState): void {
    const { row, history } = run;
    const seen = this.#memory.histories.get(row.id) ?? 0;
    const isNumbered = history.slice(seen).every(({ sequence }, index) => sequence === seen + index + 1);
    this.#memory.histories.set(row.id, history.length);
    this.#require(isNumbered && history.length === row.sequence, 'history', () => {
      return `history of ${row.id} is ${history.map(({ sequence }) => sequence).join()}, its run says ${row.sequence}`;
    });
    const open = [...run.tasks.values()].filter((task) => !isOver(task.state));
    this.#require(open.length === row.openTasks, 'meaning', () => {
      return `${row.id} counts ${row.openTasks} open tasks, there are ${open.length}`;
    });
    if (isOver(row.state)) {
      this.#require(open.length === 0, 'terminal', () => `${row.id} is ${row.state}, ${open[0]?.taskId} is not`);
      return;
    }
    for (const task of open) {
      const reasons = reasonsOf(task, run, { state, memory: this.#memory });
      this.#require(reasons.length === 1, 'never stuck', () => {
        return `${nameOf(task)}, ${task.state}, has ${reasons.length} reasons to wait: ${reasons.join(', ')}`;
      });
    }
  }

  #require(holds: boolean, invariant: Parameters<Violations['add']>[0], message: () => string): void {
    this.#options.violations.require(holds, invariant, message);
  }
}

/** What watches of several processes know together. */
export class WatchMemory {
  readonly inFlight = new Map<string, number>();
  /** Attempt whose result was accepted, by task. */
  readonly accepted = new Map<string, string>();
  /** Entries of each run's history that were looked at. */
  readonly histories = new Map<string, number>();
  readonly #dependencies = new Map<string, readonly string[]>();

  /** Of the task with this plan. */
  dependsOf(plan: string): readonly string[] {
    let depends = this.#dependencies.get(plan);
    if (!depends) {
      ({ depends } = JSON.parse(plan) as { readonly depends: readonly string[] });
      this.#dependencies.set(plan, depends);
    }
    return depends;
  }
}

const nameOf = ({ runId, taskId, itemIndex }: TaskRow): string =>
  `${runId}/${taskId}${itemIndex < 0 ? '' : `[${itemIndex}]`}`;

interface Known {
  readonly state: StoredState;
  readonly memory: WatchMemory;
}

/** Why it is where it is, as far as what is stored can say. */
function reasonsOf(task: TaskRow, run: StoredRun, { state, memory }: Known): string[] {
  const isPaused = run.row.state === 'PAUSED';
  const isTimed = hasTimer(task, isPaused);
  switch (task.state) {
    case 'BLOCKED':
      return blockedBy(task, run, memory);
    case 'READY':
      return [isPaused ? 'pause' : 'place in the order'];
    case 'CLAIMED':
    case 'PUBLISHED':
      return handedOver(task);
    case 'RUNNING':
      return runningFor(task, run);
    case 'RETRY_WAIT':
      return isTimed ? ['timer'] : [];
    case 'WAITING':
      return waitingFor(task, { isTimed, state });
    default:
      return [];
  }
}

const hasTimer = ({ dueAt, heldMs }: TaskRow, isPaused: boolean): boolean =>
  dueAt !== null || (isPaused && heldMs !== null);

function handedOver({ attemptId, dueAt, state }: TaskRow): string[] {
  if (attemptId === null || dueAt === null) return [];
  return [state === 'CLAIMED' ? 'unconfirmed claim' : 'published message'];
}

function blockedBy(task: TaskRow, { tasks }: StoredRun, memory: WatchMemory): string[] {
  const parent = tasks.get(`${task.taskId} -1`);
  if (task.itemIndex >= 0) {
    const isBehind = parent?.state === 'RUNNING' && task.itemIndex >= parent.itemsReleased;
    return isBehind ? ['place within maxParallel'] : [];
  }
  const depends = memory.dependsOf(task.plan ?? '');
  const unmet = depends.filter((id) => !isDone(tasks.get(`${id} -1`)));
  return unmet.length > 0 && unmet.length === task.pending ? [`unmet dependency ${unmet.join()}`] : [];
}

function isDone(task: TaskRow | undefined): boolean {
  if (!task) return false;
  if (task.state === 'SKIPPED') return task.error === null;
  return task.state === 'SUCCEEDED' || (task.state === 'FAILED' && task.output === 'null');
}

function runningFor(task: TaskRow, { tasks }: StoredRun): string[] {
  if (task.attemptId !== null) return task.dueAt !== null ? ['lease'] : [];
  const items = [...tasks.values()].filter(({ taskId, itemIndex }) => taskId === task.taskId && itemIndex >= 0);
  const isJoining = task.itemsSucceeded + task.itemsFailed === task.itemsTotal;
  const isOpen = items.some(({ state }) => !isOver(state));
  return isOpen !== isJoining ? [isOpen ? 'items' : 'join'] : [];
}

function waitingFor(
  task: TaskRow,
  { isTimed, state }: { readonly isTimed: boolean; readonly state: StoredState },
): string[] {
  if (task.uses === 'run') return state.runs.has(task.attemptId ?? '') ? ['nested run'] : [];
  if (!isTimed) return [];
  return [task.uses === 'sleep' ? 'timer' : 'awaited signal'];
}
