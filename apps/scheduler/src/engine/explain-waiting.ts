/** Why one task waits, as far as this process can tell: fully for runs it decides for. */
import { CogmeshError } from '@cogmesh/errors';
import {
  factsInMemory,
  scopeKey,
  waitingOf,
  type Engine,
  type QueuedTasks,
  type ScopeName,
  type TaskRef,
  type TaskView,
  type Waiting,
  type WaitingFacts,
  type WaitingMemory,
} from '@cogmesh/scheduling-core';
import type { SqlRunViews } from '../adapters/sql-run-views.js';

export interface ExplainContext {
  readonly views: SqlRunViews;
  readonly engine: Engine;
  readonly memory: WaitingMemory;
}

/** Places are counted one by one up to here; beyond, "more than" is the answer. */
const mostPositions = 1_000;

/** Undefined when it does not wait; `not_found`, also for another organisation's. */
export async function explainWaiting(
  context: ExplainContext,
  ref: TaskRef,
  organisation: string,
): Promise<Waiting | undefined> {
  const { task, facts } = await lookAt(context, ref, organisation);
  return waitingOf(task, facts, context.memory);
}

interface Look {
  readonly task: TaskView;
  readonly facts: WaitingFacts;
}

/** From memory when the run is there, else from its rows. */
async function lookAt({ views, engine }: ExplainContext, ref: TaskRef, organisation: string): Promise<Look> {
  const { runId, taskId, itemIndex } = ref;
  const resident = engine.residents.get(runId);
  const held = resident?.row.organisation === organisation ? resident.task(taskId, itemIndex) : undefined;
  if (resident && held) return { task: held, facts: factsInMemory(resident, held, mostPositions) };
  const run = await views.run(runId, organisation);
  if (!run) throw new CogmeshError('not_found', `there is no run ${runId}`);
  const task = await views.task(ref);
  if (!task) {
    throw new CogmeshError('not_found', `run ${runId} has no task ${taskId}${itemIndex < 0 ? '' : `[${itemIndex}]`}`);
  }
  const unmet = task.state === 'BLOCKED' && itemIndex < 0 ? await views.unmetOf(runId, taskId) : [];
  const isOpenForEach = task.state === 'RUNNING' && task.itemsTotal > 0;
  const items = isOpenForEach ? await views.openItemsOf(runId, taskId) : undefined;
  return { task, facts: { isRunPaused: run.state === 'PAUSED', unmet, items, mostPositions } };
}

export interface ScopeUsage {
  readonly inFlight: number;
  readonly queued: number;
}

export interface UsageSources {
  readonly memory: Pick<WaitingMemory, 'heads' | 'limits'>;
  readonly queued: QueuedTasks;
}

/** What of a scope is in flight and waits, of the runs this process decides for. */
export function usageOf({ memory, queued }: UsageSources, scope: ScopeName): ScopeUsage {
  const waiting = scope.kind === 'organisation' ? queued.of(scope.name) : memory.heads.sizeOf(scopeKey(scope));
  return { inFlight: memory.limits.inFlight(scope), queued: waiting };
}
