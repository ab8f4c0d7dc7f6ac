/**
 * Invariant 3 among what is in memory: each task of each unfinished run has its one reason to wait, and counters say what
 * they count. Each run is looked at in one go, so nothing changes under the look; between runs others have their turn.
 */
import { isHeld, isTerminalRun, isTerminalTask } from '../states.js';
import { breather } from './breath.js';
import type { ResidentRun } from './resident-run.js';
import { readyEntry, taskKey, type TaskRow } from './rows.js';
import { isWorkedOn, type Suspicion, type SweepKind, type SweepParts } from './sweep.js';

export async function suspectResidents(parts: SweepParts): Promise<Suspicion[]> {
  const { engine } = parts;
  const { generation } = engine;
  const found: Suspicion[] = [];
  const breathe = breather(engine.clock);
  for (const run of engine.residents.all) {
    if (engine.owns(run.row.shard) && !isTerminalRun(run.row.state)) found.push(...suspectRun(parts, run));
    const breath = breathe();
    if (breath) await breath;
    if (generation !== engine.generation) return [];
  }
  return [...found, ...suspectCredits(parts)];
}

function suspectRun(parts: SweepParts, run: ResidentRun): Suspicion[] {
  const { row } = run;
  const { id, state, openTasks, dueAt } = row;
  const found: Suspicion[] = [];
  const open = run.open();
  const suspect = (kind: SweepKind, says: string, mend?: () => void): void => {
    const evidence = { run: id, state, openTasks, dueAt, inFlight: run.inFlight, sequence: row.sequence };
    found.push({ kind, says: `run ${id} ${says}`, evidence, mend });
  };
  if (openTasks !== open.length) suspect('count', `counts ${openTasks} open tasks of ${open.length}`);
  if (run.inFlight !== run.held().length) suspect('count', `counts ${run.inFlight} attempts of ${run.held().length}`);
  if (!parts.timers.isWatched(row)) suspect('timer', 'has a deadline that nobody looks at', () => parts.timers.watch(row)); // prettier-ignore
  if (open.length === 0 && !parts.controls.isFinishing(id)) {
    suspect('step', 'has no open task and nobody ends it', () => parts.controls.finish(id));
  }
  for (const task of open) {
    const lack = lackOf(parts, run, task);
    if (lack) found.push({ kind: lack.kind, says: `${nameOf(task)} ${lack.says}`, evidence: evidenceOf(task), mend: lack.mend }); // prettier-ignore
  }
  return found;
}

type Lack = Pick<Suspicion, 'kind' | 'says' | 'mend'>;

function lackOf(parts: SweepParts, run: ResidentRun, task: TaskRow): Lack | undefined {
  const { timers, order, heads } = parts;
  if (!timers.isWatched(task)) {
    return { kind: 'timer', says: 'has a time that nobody looks at', mend: () => timers.watch(task) };
  }
  const isOrdered = task.state === 'READY' && run.row.state !== 'PAUSED';
  if (!isOrdered && order.has(taskKey(task))) {
    return { kind: 'place', says: 'is offered and not ready', mend: () => heads.left(readyEntry(task)) };
  }
  return isOrdered ? lackOfReady(parts, task) : lackByState(parts, run, task);
}

function lackByState(parts: SweepParts, run: ResidentRun, task: TaskRow): Lack | undefined {
  switch (task.state) {
    case 'BLOCKED':
      return isBlocked(run, task) ? undefined : { kind: 'stuck', says: 'is blocked by nothing' };
    case 'RETRY_WAIT':
      return hasTime(task) ? undefined : { kind: 'stuck', says: 'waits for a retry that has no time' };
    case 'WAITING':
      return lackOfWaiting(parts, task);
    default:
      return isHeld(task.state) ? lackOfHeld(parts, run, task) : undefined;
  }
}

const hasTime = ({ dueAt, heldMs }: TaskRow): boolean => dueAt !== null || heldMs !== null;

/** A dependency is unmet that may still be met; an item waits for another one to end. */
function isBlocked(run: ResidentRun, { taskId, itemIndex }: TaskRow): boolean {
  if (itemIndex < 0) {
    return run.plan(taskId).depends.some((parent) => !isTerminalTask(run.task(parent)?.state ?? 'SUCCEEDED'));
  }
  const parent = run.task(taskId);
  if (parent?.state !== 'RUNNING' || itemIndex < parent.itemsReleased) return false;
  return run.items(taskId).some(({ state }) => state !== 'BLOCKED' && !isTerminalTask(state));
}

function lackOfReady(parts: SweepParts, task: TaskRow): Lack | undefined {
  const entry = readyEntry(task);
  if (parts.heads.isServed(entry, isWorkedOn(parts))) return undefined;
  return { kind: 'place', says: 'is ready and offered to nobody', mend: () => parts.heads.restore(entry) };
}

function lackOfWaiting({ engine, controls }: SweepParts, task: TaskRow): Lack | undefined {
  const { uses, attemptId } = task;
  if (uses === 'sleep') return hasTime(task) ? undefined : { kind: 'stuck', says: 'sleeps without an end' };
  if (uses !== 'run') return undefined;
  if (attemptId === null) return { kind: 'stuck', says: 'waits for a run that has no name' };
  const nested = engine.residents.get(attemptId);
  if (!nested || !isTerminalRun(nested.row.state) || controls.isAnswering(attemptId)) return undefined;
  const mend = (): void => controls.answer(attemptId);
  return { kind: 'step', says: 'waits for a run that has ended', mend };
}

function lackOfHeld(parts: SweepParts, run: ResidentRun, task: TaskRow): Lack | undefined {
  const { engine, controls, credits } = parts;
  const { attemptId, taskId, itemsTotal, itemsSucceeded, itemsFailed } = task;
  if (attemptId !== null) {
    if (engine.attempt(attemptId) !== task)
      return { kind: 'attempt', says: `is held by ${attemptId}, which is unknown` };
    if (!credits.has(attemptId)) return { kind: 'credit', says: `is held by ${attemptId}, which is not counted` };
    return task.dueAt === null ? { kind: 'stuck', says: 'is held without a lease' } : undefined;
  }
  const items = run.items(taskId);
  const open = items.filter(({ state }) => !isTerminalTask(state)).length;
  if (items.length !== itemsTotal || itemsTotal - itemsSucceeded - itemsFailed !== open) {
    return {
      kind: 'count',
      says: `counts ${itemsSucceeded} and ${itemsFailed} of ${itemsTotal} items, ${open} are open`,
    };
  }
  if (open > 0 || controls.isJoining(task)) return undefined;
  return { kind: 'step', says: 'has items that all ended and nobody joins', mend: () => controls.join(task) };
}

/** A credit in use belongs to an attempt that is held, or about to be. */
function suspectCredits({ engine, credits, claims }: SweepParts): Suspicion[] {
  return credits.attempts().flatMap((attemptId): Suspicion[] => {
    if (engine.attempt(attemptId) !== undefined || claims.isClaiming(attemptId)) return [];
    const mend = (): void => credits.release(attemptId);
    return [{ kind: 'credit', says: `the credit of ${attemptId} is in use by nobody`, evidence: { attemptId }, mend }];
  });
}

const nameOf = ({ runId, taskId, itemIndex, state }: TaskRow): string =>
  `${runId}/${taskId}${itemIndex < 0 ? '' : `[${itemIndex}]`} (${state})`;

const evidenceOf = (task: TaskRow): Suspicion['evidence'] => ({
  task: taskKey(task),
  state: task.state,
  attempt: task.attempt,
  attemptId: task.attemptId,
  pending: task.pending,
  readyAt: task.readyAt,
  dueAt: task.dueAt,
});
