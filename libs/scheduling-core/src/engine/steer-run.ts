/**
 * A caller's hand on a run that is under way: pause, resume, priority. Runs nested in it follow, in the same decision: one
 * that is not in memory yet, or was born meanwhile, makes it start over.
 */
import { CogmeshError } from '@cogmesh/errors';
import { isTerminalRun, isTerminalTask } from '../states.js';
import type { Engine } from './engine.js';
import { rankOf } from './new-run.js';
import type { ResidentRun } from './resident-run.js';
import { readyEntry, type RunRow, type TaskRow } from './rows.js';
import type { Unit } from './unit.js';

interface Steering {
  readonly runId: string;
  /** `failed_precondition`: it is over and cannot be … */
  readonly what: string;
}

async function overTree(
  engine: Engine,
  { runId, what }: Steering,
  work: (unit: Unit, run: ResidentRun) => void,
): Promise<void> {
  const tree = new Set([runId]);
  for (let isDone = false; !isDone;) {
    isDone = await engine.transact(tree, (unit) => {
      const missing = unit.runs.flatMap(nestedIn).filter((id) => !tree.has(id));
      for (const id of missing) tree.add(id);
      if (missing.length > 0) return false;
      refuseOver(unit.find(runId)?.row, what);
      for (const run of unit.runs) work(unit, run);
      return true;
    });
  }
}

/** Runs that tasks of this one wait for. */
const nestedIn = (run: ResidentRun): string[] =>
  [...run.tasks].flatMap(({ state, uses, attemptId }) =>
    state === 'WAITING' && uses === 'run' && attemptId !== null ? [attemptId] : [],
  );

function refuseOver(run: RunRow | undefined, what: string): void {
  if (run && isTerminalRun(run.state))
    throw new CogmeshError('failed_precondition', `run ${run.id} is over (${run.state}) and cannot be ${what}`);
}

/** States whose timers stand still in a pause: nobody works on the task. */
const isIdle = ({ state }: TaskRow): boolean => state === 'READY' || state === 'RETRY_WAIT' || state === 'WAITING';

/** Nothing new starts and timers stand still; what agents hold goes on, and so does the run's deadline. */
export function pauseRun(engine: Engine, runId: string, said: { by: string; reason: string }): Promise<void> {
  return overTree(engine, { runId, what: 'paused' }, (unit, run) => {
    if (!unit.moveRun(run.row, 'pause', JSON.stringify(said))) return;
    for (const task of run.tasks) {
      if (task.state === 'READY') unit.effects.unready.push(readyEntry(task));
      if (task.dueAt === null || !isIdle(task)) continue;
      task.heldMs = Math.max(0, task.dueAt - unit.now);
      task.dueAt = null;
      unit.touch(task);
    }
  });
}

/** Timers go on with what was left of them. */
export function resumeRun(engine: Engine, runId: string, said: { by: string }): Promise<void> {
  return overTree(engine, { runId, what: 'resumed' }, (unit, run) => {
    if (!unit.moveRun(run.row, 'resume', JSON.stringify(said))) return;
    for (const task of run.tasks) {
      if (task.state === 'READY') unit.effects.ready.push(readyEntry(task));
      if (task.heldMs === null) continue;
      const dueAt = unit.now + task.heldMs;
      task.heldMs = null;
      unit.delay(task, dueAt);
    }
  });
}

export interface PriorityChange {
  /** Undefined: the run, and every task that named none of its own. */
  readonly taskId: string | undefined;
  readonly priority: number;
  readonly by: string;
}

export async function setPriority(engine: Engine, runId: string, change: PriorityChange): Promise<void> {
  const { taskId, priority } = change;
  const what = 'given another priority';
  if (taskId === undefined) {
    await overTree(engine, { runId, what }, (unit, run) => {
      if (isTerminalRun(run.row.state)) return;
      run.row.priority = priority;
      const tasks = run.open().filter((task) => task.ownPriority === 0);
      reprioritise(unit, run, { tasks, change });
    });
    return;
  }
  await engine.transact([runId], (unit) => {
    const run = unit.find(runId);
    if (!run) return;
    refuseOver(run.row, what);
    const tasks = [run.task(taskId), ...run.items(taskId)].filter((task) => task !== undefined);
    const open = tasks.filter(({ state }) => !isTerminalTask(state));
    if (open.length === 0)
      throw new CogmeshError('failed_precondition', `run ${runId} has no unfinished task ${taskId}`);
    for (const task of open) task.ownPriority = 1;
    reprioritise(unit, run, { tasks: open, change });
  });
}

function reprioritise(
  unit: Unit,
  run: ResidentRun,
  { tasks, change }: { readonly tasks: readonly TaskRow[]; readonly change: PriorityChange },
): void {
  const { priority } = change;
  for (const task of tasks) {
    task.priority = priority;
    unit.touch(task);
    if (task.state !== 'READY') continue;
    task.rank = rankOf(task.readyAt ?? unit.now, priority, unit.birth.ageingMs);
    if (run.row.state !== 'PAUSED') unit.effects.reprioritised.push(readyEntry(task));
  }
  unit.tell(run.row, { type: 'run.state', runState: run.row.state, data: JSON.stringify(change) });
}
