/**
 * A caller's hand on a run that is under way: pause, resume, priority. Runs nested in it follow. Each is one transaction over
 * all of them; a nested run that is born meanwhile makes it start over.
 */
import { CogmeshError } from '@cogmesh/errors';
import { isTerminalRun } from '@cogmesh/scheduling-core';
import { changePriority, holdTimers, nestedIn, readyOfRun, releaseTimers } from '../adapters/sql-pauses.js';
import type { RunRow } from '../model/rows.js';
import type { Engine } from './engine.js';
import type { WorkUnit } from './work-unit.js';

async function overTree(engine: Engine, runId: string, work: (unit: WorkUnit, run: RunRow) => Promise<void>) {
  for (let isDone = false; !isDone;) {
    const ids = [runId, ...(await nestedIn(engine.database, runId))];
    isDone = await engine.transact(ids, async (unit) => {
      const now = await nestedIn(unit.tx, runId);
      if (now.some((id) => !unit.runs.has(id))) return false;
      for (const run of unit.runs.values()) await work(unit, run);
      return true;
    });
  }
}

/** Nothing new starts and timers stand still; what agents hold goes on, and so does the run's deadline. */
export async function pauseRun(engine: Engine, runId: string, said: { by: string; reason: string }): Promise<void> {
  await overTree(engine, runId, async (unit, run) => {
    if (run.id === runId && isTerminalRun(run.state)) throw over(run, 'paused');
    if (!unit.moveRun(run, 'pause', JSON.stringify(said))) return;
    await holdTimers(unit.tx, run.id, unit.now);
    unit.effects.unready.push(...(await readyOfRun(unit.tx, run.id)).map(({ key }) => key));
  });
}

/** Timers go on with what was left of them. */
export async function resumeRun(engine: Engine, runId: string, said: { by: string }): Promise<void> {
  await overTree(engine, runId, async (unit, run) => {
    if (run.id === runId && isTerminalRun(run.state)) throw over(run, 'resumed');
    if (!unit.moveRun(run, 'resume', JSON.stringify(said))) return;
    await releaseTimers(unit.tx, run.id, unit.now);
    unit.wakeTimers();
    unit.effects.ready.push(...(await readyOfRun(unit.tx, run.id)));
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
  const data = JSON.stringify(change);
  const apply = async (unit: WorkUnit, run: RunRow): Promise<void> => {
    if (isTerminalRun(run.state)) {
      if (run.id === runId) throw over(run, 'given another priority');
      return;
    }
    const changed = await changePriority(unit.tx, run.id, change);
    if (taskId !== undefined && changed === 0)
      throw new CogmeshError('failed_precondition', `run ${run.id} has no unfinished task ${taskId}`);
    if (taskId === undefined) run.priority = priority;
    unit.tell(run, { type: 'run.state', runState: run.state, data });
    unit.effects.reprioritised.push(...(await readyOfRun(unit.tx, run.id)));
  };
  if (taskId === undefined) return overTree(engine, runId, apply);
  await engine.transact([runId], async (unit) => {
    for (const run of unit.runs.values()) await apply(unit, run);
  });
}

const over = (run: RunRow, what: string): CogmeshError =>
  new CogmeshError('failed_precondition', `run ${run.id} is over (${run.state}) and cannot be ${what}`);
