/** Nested runs that ended, and those that nobody waits for any more. */
import type { ControlContext } from './controls.js';
import { answerParents, endOrphans } from './nested-runs.js';
import type { StepKind } from './step-queue.js';

/** The tasks that wait for these runs end the same way. */
export function answerSteps({ engine }: ControlContext): StepKind<string> {
  return {
    what: 'answering the parent of a run',
    keyOf: (runId) => runId,
    isInMemory: (runId) => {
      const run = engine.residents.get(runId);
      return run !== undefined && engine.residents.get(run.row.parentRunId ?? '') !== undefined;
    },
    take: async (runIds) => {
      await answerParents(engine, runIds);
      return [];
    },
  };
}

export function orphanSteps({ engine }: ControlContext): StepKind<string> {
  return {
    what: 'ending a run that nobody waits for',
    keyOf: (runId) => runId,
    isInMemory: (runId) => engine.residents.get(runId) !== undefined,
    take: async (runIds) => {
      await endOrphans(engine, runIds);
      return [];
    },
  };
}
