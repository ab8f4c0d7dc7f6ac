import type { TaskEvent } from '@cogmesh/scheduling-core';
import type { Engine } from './engine.js';

/** Returns unstarted attempts to READY, uncounted; attempts that started meanwhile are left alone. */
export async function takeBack(
  engine: Engine,
  attempts: readonly { readonly attemptId: string; readonly runId: string }[],
  event: TaskEvent,
): Promise<void> {
  if (attempts.length === 0) return;
  await engine.transact(
    attempts.map((attempt) => attempt.runId),
    async (unit, outcomes) => {
      const tasks = await unit.loadHeld(attempts.map((attempt) => attempt.attemptId));
      const planOf = await unit.plans(tasks);
      await unit.load(tasks.filter((task) => task.itemIndex >= 0).map((task) => ({ ...task, itemIndex: -1 })));
      for (const task of tasks) if (task.state !== 'RUNNING') outcomes.returnUnstarted(task, event, planOf);
    },
  );
}
