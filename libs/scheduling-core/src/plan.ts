/**
 * What follows from what: pure functions over plain data that the scheduler's transactions call. Nothing here reads a
 * clock or a database; every answer is a list of moves that the state machine allows.
 */
import type { Json } from './json.js';
import { jsonTypeOf } from './json.js';
import type { ItemFailurePolicy, TaskPlan } from './run-plan.js';
import { isHeld, isTerminalTask, type TaskState } from './states.js';

export interface Dependency {
  readonly parent: string;
  readonly child: string;
}

/** The first state of a task: READY without dependencies, else BLOCKED with their number. */
export function initialState(task: Pick<TaskPlan, 'depends'>): {
  readonly state: 'READY' | 'BLOCKED';
  readonly pending: number;
} {
  const pending = task.depends.length;
  return { state: pending === 0 ? 'READY' : 'BLOCKED', pending };
}

export function dependenciesOf(tasks: readonly TaskPlan[]): Dependency[] {
  return tasks.flatMap((task) => task.depends.map((parent) => ({ parent, child: task.id })));
}

/**
 * What a retry takes over from an old run: tasks that succeeded or whose `when` was false, unless something above them is
 * done again.
 */
export function planAdoption(
  tasks: readonly { readonly id: string; readonly state: TaskState; readonly error: string | null }[],
  dependencies: readonly Dependency[],
): Set<string> {
  const isWell = ({ state, error }: (typeof tasks)[number]): boolean =>
    state === 'SUCCEEDED' || (state === 'SKIPPED' && error === null);
  const again = tasks.filter((task) => !isWell(task)).map((task) => task.id);
  const below = descendantsOf(again, dependencies);
  return new Set(tasks.filter((task) => isWell(task) && !below.has(task.id)).map((task) => task.id));
}

export interface BlockedChild {
  readonly id: string;
  readonly state: TaskState;
  /** Unmet dependencies before this step. */
  readonly pending: number;
}

/** New pending counts after `satisfied` parents ended well; a child that reaches 0 is released. */
export function releaseChildren(
  children: readonly BlockedChild[],
  edges: readonly Dependency[],
): { readonly id: string; readonly pending: number; readonly released: boolean }[] {
  const met = new Map<string, number>();
  for (const { child } of edges) met.set(child, (met.get(child) ?? 0) + 1);
  return children
    .filter((child) => child.state === 'BLOCKED')
    .map(({ id, pending }) => {
      const left = Math.max(0, pending - (met.get(id) ?? 0));
      return { id, pending: left, released: left === 0 };
    });
}

export interface OpenTask {
  readonly id: string;
  /** -1 for a task itself, from 0 for a forEach item. */
  readonly index: number;
  readonly state: TaskState;
}

export interface FailurePlan<T extends OpenTask = OpenTask> {
  /** Descendants of what failed. */
  readonly skip: readonly T[];
  /** Other tasks that have not been handed to an agent. */
  readonly cancel: readonly T[];
}

/**
 * onFailure = fail the run: descendants are skipped, nothing new starts, what agents hold runs on. A forEach parent that
 * loses items that way cannot complete and is cancelled with them; one whose items are all in flight may still end well.
 */
export function planFailure<T extends OpenTask>(
  failed: readonly string[],
  open: readonly T[],
  dependencies: readonly Dependency[],
): FailurePlan<T> {
  const skip = new Set(planSkips(failed, open, dependencies));
  const unstarted = open.filter((task) => !isTerminalTask(task.state) && !isHeld(task.state));
  const loseItems = new Set(unstarted.filter((task) => task.index >= 0).map((task) => task.id));
  const parents = open.filter((task) => task.index < 0 && task.state === 'RUNNING' && loseItems.has(task.id));
  return {
    skip: [...skip],
    cancel: [...unstarted.filter((task) => !skip.has(task)), ...parents],
  };
}

/** What cannot start any more because something above it failed and the rest of the run goes on. */
export function planSkips<T extends OpenTask>(
  failed: readonly string[],
  open: readonly T[],
  dependencies: readonly Dependency[],
): T[] {
  const descendants = descendantsOf(failed, dependencies);
  return open.filter((task) => task.index < 0 && task.state === 'BLOCKED' && descendants.has(task.id));
}

/** Items that will not start any more because their forEach has failed and the rest of the run goes on. */
export function planLostItems<T extends OpenTask>(failed: readonly string[], open: readonly T[]): T[] {
  return open.filter((task) => task.index >= 0 && failed.includes(task.id) && !isHeld(task.state));
}

/** Ids below `roots`, the roots excluded. */
export function descendantsOf(roots: readonly string[], dependencies: readonly Dependency[]): Set<string> {
  const childrenOf = new Map<string, string[]>();
  for (const { parent, child } of dependencies) {
    const children = childrenOf.get(parent);
    if (children) children.push(child);
    else childrenOf.set(parent, [child]);
  }
  const found = new Set<string>();
  const queue = [...roots];
  for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
    for (const child of childrenOf.get(id) ?? []) {
      if (found.has(child)) continue;
      found.add(child);
      queue.push(child);
    }
  }
  return found;
}

export type Expansion =
  | { readonly ok: true; readonly items: readonly Json[]; /** Items that are READY at once. */ readonly open: number }
  | { readonly ok: false; readonly message: string };

/** The items of a forEach, or why there are none. */
export function planExpansion(
  list: Json,
  { maxParallel, room }: { readonly maxParallel?: number | undefined; readonly room: number },
): Expansion {
  if (!Array.isArray(list)) return { ok: false, message: `forEach needs a list, got ${jsonTypeOf(list)}` };
  const items = list as readonly Json[];
  if (items.length > room) {
    return { ok: false, message: `forEach would make ${items.length} items, the run has room for ${room} more` };
  }
  return { ok: true, items, open: Math.min(items.length, maxParallel ?? items.length) };
}

export interface ItemCounters {
  readonly total: number;
  readonly succeeded: number;
  readonly failed: number;
  /** Items that left BLOCKED, in index order. */
  readonly released: number;
}

export type AfterItems = 'open' | 'failed' | 'joined';

/** What items that ended well or for good mean for their parent, and how many more may be released. */
export function afterItems(
  counters: ItemCounters,
  itemFailure: ItemFailurePolicy = 'fail',
): { readonly parent: AfterItems } {
  const { total, succeeded, failed } = counters;
  if (failed > 0 && itemFailure === 'fail') return { parent: 'failed' };
  return { parent: succeeded + failed === total ? 'joined' : 'open' };
}

/** Indexes of the items to release when `ended` of the parent's items have left: [from, to). */
export function itemsToRelease(counters: ItemCounters, ended: number): { readonly from: number; readonly to: number } {
  return { from: counters.released, to: Math.min(counters.total, counters.released + ended) };
}
