import type { TaskEvent } from '../states.js';
import type { Engine } from './engine.js';

/** Returns unstarted attempts to READY, uncounted; attempts that started or ended meanwhile are left alone. */
export async function takeBack(
  engine: Engine,
  attempts: readonly { readonly attemptId: string }[],
  event: TaskEvent,
): Promise<void> {
  const runIds = attempts.flatMap(({ attemptId }) => engine.attempt(attemptId)?.runId ?? []);
  if (runIds.length === 0) return;
  await engine.transact(runIds, (unit, outcomes) => {
    for (const { attemptId } of attempts) {
      const task = unit.held(attemptId);
      if (task && task.state !== 'RUNNING') outcomes.returnUnstarted(task, event);
    }
  });
}
