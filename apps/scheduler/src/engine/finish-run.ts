/** The end of a run: all tasks are terminal, so its output can be computed and nothing can change it any more. */
import { CogmeshError } from '@cogmesh/errors';
import { evaluateTemplate, isTerminalRun, referencesIn, type Json } from '@cogmesh/scheduling-core';
import type { ScopeRun } from '../adapters/sql-scopes.js';
import type { Failure } from '../model/rows.js';
import type { ControlContext } from './controls.js';
import { inlineOrStored } from './payloads.js';
import { failureOfThrown } from './prepare-input.js';
import { mergedReferences } from './scopes.js';

type Ending = { readonly output: string } | { readonly failure: Failure | undefined } | 'later';

export async function finishRuns(context: ControlContext, runIds: readonly string[]): Promise<void> {
  if (runIds.length === 0) return;
  const endings = new Map<string, Ending>();
  for (const run of await context.sql.runs(runIds)) {
    const ending = await endingOf(context, run);
    endings.set(run.id, ending);
    if (ending === 'later') context.later(`finish ${run.id}`, () => context.finish(run.id));
  }
  await context.engine.transact(runIds, (unit) => {
    for (const run of unit.runs.values()) {
      const ending = endings.get(run.id);
      if (!ending || ending === 'later' || run.openTasks > 0 || isTerminalRun(run.state)) continue;
      if ('output' in ending) run.output = ending.output;
      else run.error ??= ending.failure ? JSON.stringify(ending.failure) : run.failure;
      run.finishedAt = unit.now;
      run.dueAt = null;
      if (run.state === 'PENDING') unit.moveRun(run, 'start');
      unit.moveRun(run, run.error === null ? 'succeed' : 'fail');
      unit.tell(run, { type: 'run.done', runState: run.state, ...(run.error === null ? {} : { error: run.error }) });
    }
    return Promise.resolve();
  });
}

async function endingOf(context: ControlContext, run: ScopeRun): Promise<Ending> {
  if (run.error !== null || run.failure !== null) return { failure: undefined };
  if (run.outputTemplate === null) return { output: 'null' };
  try {
    return { output: await outputOf(context, run, JSON.parse(run.outputTemplate) as Json) };
  } catch (error) {
    if (error instanceof CogmeshError && error.retryable) return 'later';
    return { failure: failureOfThrown(error) };
  }
}

async function outputOf(
  { scopes, payloads, settings }: ControlContext,
  run: ScopeRun,
  template: Json,
): Promise<string> {
  const request = {
    runId: run.id,
    taskId: '',
    itemIndex: -1,
    references: mergedReferences(referencesIn(template, 'task')),
  };
  const [built] = (await scopes.build([request])).values();
  if (!built) throw new CogmeshError('data_loss', `run ${run.id} is gone`);
  const { limits, maxInlineBytes } = settings;
  if (built.error) throw built.error;
  const output = evaluateTemplate(template, built.scope, { kind: 'task', maxSteps: limits.maxExpressionSteps });
  return inlineOrStored(JSON.stringify(output), { payloads, organisation: run.organisation, maxInlineBytes });
}
