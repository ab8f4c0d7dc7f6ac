/**
 * Why a task is not running yet, as a code and one sentence that a person can act on, from what the scheduler holds in
 * memory and the task's own row. Nothing is scanned: a place in the order is counted from heads, up to a bound.
 */
import type { FairOrder } from '../fair-order.js';
import type { Scoped, ScopeName } from '../scope-keys.js';
import { isTerminalTask } from '../states.js';
import type { Targets } from './dispatch-ports.js';
import type { Blocked, Limits } from './limits.js';
import { needOf, parseNeed, type Need } from './need.js';
import type { ReadyHeads } from './ready-heads.js';
import type { ResidentRun } from './resident-run.js';
import { readyEntry, taskKey, type ReadyEntry, type TaskRow } from './rows.js';

/** A task without its plan, inputs and outputs. */
export type TaskView = Omit<TaskRow, 'plan' | 'item' | 'output'>;

/** Which agents there are. */
export interface KnownAgents {
  /** False when nobody has told for too long. */
  readonly isFresh: boolean;
  /** Those that serve the need. */
  candidates(need: string): readonly unknown[];
  /** Capabilities on offer that differ from `uses` only in their version. */
  offered(uses: string): readonly string[];
}

export interface WaitingMemory {
  readonly directory: KnownAgents;
  readonly targets: Pick<Targets, 'hasRoom'>;
  readonly order: FairOrder<ReadyEntry>;
  readonly heads: ReadyHeads;
  readonly limits: Limits;
}

/** What is known of the task's surroundings. */
export interface WaitingFacts {
  readonly isRunPaused: boolean;
  /** Unfinished parents. */
  readonly unmet: readonly string[];
  /** Open items by state, of a forEach task. */
  readonly items: Readonly<Record<string, number>> | undefined;
  /** Places are counted exactly up to this one. */
  readonly mostPositions: number;
}

/** The same from a run in memory, which is ahead of the store. */
export function factsInMemory(run: ResidentRun, task: TaskRow, mostPositions: number): WaitingFacts {
  const { taskId, itemIndex } = task;
  const isBlocked = task.state === 'BLOCKED' && itemIndex < 0;
  const unmet = isBlocked ? run.plan(taskId).depends.filter((id) => isOpen(run.task(id))) : [];
  const isOpenForEach = task.state === 'RUNNING' && task.itemsTotal > 0;
  const items = isOpenForEach ? openItems(run, taskId) : undefined;
  return { isRunPaused: run.row.state === 'PAUSED', unmet, items, mostPositions };
}

const isOpen = (task: TaskRow | undefined): boolean => task !== undefined && !isTerminalTask(task.state);

function openItems(run: ResidentRun, taskId: string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const item of run.items(taskId)) if (isOpen(item)) counts[item.state] = (counts[item.state] ?? 0) + 1;
  return counts;
}

export interface Waiting {
  /** dependencies, quota, no_agent, busy, concurrency, paused, timer, approval. */
  readonly code: string;
  readonly message: string;
  /** From 1; absent when it is not in the order. */
  readonly position?: number;
  /** At least so many go before it; the rest is known to the store only. */
  readonly after?: number;
  /** From recent starts of its organisation, milliseconds; absent when nobody knows. */
  readonly estimateMs?: number;
}

/** Parents named in a sentence. */
const maxNamed = 10;

export function waitingOf(task: TaskView, facts: WaitingFacts, memory: WaitingMemory): Waiting | undefined {
  switch (task.state) {
    case 'BLOCKED':
      return blocked(task, facts);
    case 'READY':
      return ready(task, facts, memory);
    case 'CLAIMED':
    case 'PUBLISHED':
      return { code: 'busy', message: `handed to ${task.agentId ?? task.queue ?? 'an agent'}, not started yet` };
    case 'RETRY_WAIT':
      return facts.isRunPaused ? runPaused : timer(task, 'tries again at');
    case 'WAITING':
      return waitingInside(task, facts);
    case 'RUNNING':
      return ofItems(task, facts, memory);
    default:
      return undefined;
  }
}

const runPaused: Waiting = { code: 'paused', message: 'the run is paused' };

function blocked(task: TaskView, { unmet }: WaitingFacts): Waiting {
  if (task.itemIndex >= 0) return { code: 'concurrency', message: 'waits for a place within maxParallel' };
  return blockedBy(unmet);
}

/** `unmet`: unfinished parents. */
export function blockedBy(unmet: readonly string[]): Waiting {
  const named = unmet.slice(0, maxNamed).join(', ');
  const more = unmet.length > maxNamed ? ` and ${unmet.length - maxNamed} more` : '';
  return { code: 'dependencies', message: `waits for ${named}${more}` };
}

function waitingInside(task: TaskView, { isRunPaused }: WaitingFacts): Waiting {
  if (task.uses === 'approval') return { code: 'approval', message: 'waits for somebody to approve it' };
  if (task.uses === 'run') return { code: 'dependencies', message: 'waits for its nested run to end' };
  return isRunPaused ? runPaused : timer(task, 'sleeps until');
}

const timer = (task: TaskView, verb: string): Waiting =>
  task.dueAt === null
    ? { code: 'timer', message: 'waits for its time' }
    : { code: 'timer', message: `${verb} ${new Date(task.dueAt).toISOString()}` };

function ready(task: TaskView, facts: WaitingFacts, memory: WaitingMemory): Waiting {
  if (facts.isRunPaused) return runPaused;
  if (task.control === 1 && !memory.order.has(taskKey(task))) {
    return { code: 'busy', message: 'is about to be prepared' };
  }
  const place = placeOf(task, facts, memory);
  const obstacle = memory.limits.blocks(scopedOf(task));
  return { ...(obstacle ? sentenceOf(obstacle) : forAgent(needOf(task), memory, place)), ...place };
}

type Place = Pick<Waiting, 'position' | 'after' | 'estimateMs'>;

function placeOf(task: TaskView, { mostPositions }: WaitingFacts, { order, heads, limits }: WaitingMemory): Place {
  const position = order.position(taskKey(task), mostPositions);
  if (position === undefined) {
    const after = heads.aheadOf(readyEntry(task));
    return after === undefined ? {} : { after: Math.min(after, mostPositions) };
  }
  const perSecond = limits.startsPerSecond(task.organisation);
  if (perSecond === 0 || position > mostPositions) return { position };
  return { position, estimateMs: Math.round((position / perSecond) * 1_000) };
}

function scopedOf({ organisation, uses, concurrencyGroup }: TaskView): Scoped {
  return { organisation, group: uses, ...(concurrencyGroup === null ? {} : { concurrencyGroup }) };
}

function sentenceOf({ scope, obstacle }: Blocked): Waiting {
  const name = nameOf(scope);
  switch (obstacle.reason) {
    case 'paused':
      return { code: 'paused', message: `${name} is paused` };
    case 'in_flight': {
      const code = scope.kind === 'group' ? 'concurrency' : 'quota';
      return { code, message: `${name} has ${obstacle.inFlight} of at most ${obstacle.maxInFlight} tasks in flight` };
    }
    case 'rate':
      return {
        code: 'quota',
        message: `${name} starts ${obstacle.ratePerSecond} tasks a second, the next in ${obstacle.againInMs} ms`,
      };
  }
}

const nameOf = ({ kind, name }: ScopeName): string => (kind === 'group' ? `group ${name}` : `${kind} ${name}`);

function forAgent(need: string, { directory, targets }: WaitingMemory, place: Place): Waiting {
  if (!directory.isFresh) return { code: 'no_agent', message: 'the registry does not answer, so no agent is known' };
  const { uses, labels } = parseNeed(need);
  if (directory.candidates(need).length === 0) {
    const offered = directory.offered(uses);
    const exists = offered.length === 0 ? 'no agent offers it in any version' : `agents offer ${offered.join(', ')}`;
    return { code: 'no_agent', message: `asks for ${uses}${labelled(labels)}; ${exists}` };
  }
  const agents = targets.hasRoom(need)
    ? 'is about to be handed out'
    : `every agent that serves ${uses}${labelled(labels)} is busy`;
  return { code: 'busy', message: `${agents}${standing(place)}` };
}

const labelled = (labels: Need['labels']): string =>
  labels.length === 0 ? '' : ` with ${labels.map(([label, value]) => `${label}=${value}`).join(', ')}`;

function standing({ position, after, estimateMs }: Place): string {
  if (after !== undefined) return `; behind place ${after.toLocaleString('en')} of its organisation's order`;
  if (position === undefined) return '';
  if (estimateMs === undefined) return `; place ${position.toLocaleString('en')} in its organisation's order`;
  return `; place ${position.toLocaleString('en')} in its organisation's order, in about ${estimateMs} ms`;
}

/** A forEach task waits while none of its items is in progress. */
function ofItems(task: TaskView, facts: WaitingFacts, memory: WaitingMemory): Waiting | undefined {
  const { items } = facts;
  if (!items || task.itemsTotal === 0) return undefined;
  const [held, blockedItems] = [sumOf(items, ['RUNNING', 'PUBLISHED', 'CLAIMED']), sumOf(items, ['BLOCKED'])];
  if (held > 0 && blockedItems > 0) {
    return { code: 'concurrency', message: `${blockedItems} items wait for a place within maxParallel` };
  }
  if (held > 0 || sumOf(items, ['READY']) === 0) return undefined;
  if (facts.isRunPaused) return runPaused;
  const obstacle = memory.limits.blocks(scopedOf(task));
  return obstacle ? sentenceOf(obstacle) : forAgent(needOf(task), memory, {});
}

const sumOf = (items: Readonly<Record<string, number>>, states: readonly string[]): number =>
  states.reduce((sum, state) => sum + (items[state] ?? 0), 0);
