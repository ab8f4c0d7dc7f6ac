/** The end of a run: all tasks are terminal, so its output can be computed and nothing can change it any more. */
import { CogmeshError } from '@cogmesh/errors';
import { evaluateTemplate, referencesIn } from '../expressions/evaluate-template.js';
import type { Json } from '../json.js';
import { isTerminalRun } from '../states.js';
import type { ControlContext } from './controls.js';
import { decide, withRuns } from './decide.js';
import { inlineOrStored } from './payloads.js';
import { failureOfThrown } from './prepare-input.js';
import type { ResidentRun } from './resident-run.js';
import type { Failure, RunRow } from './rows.js';
import { mergedReferences, type ScopeRequest } from './scopes.js';
import type { StepKind } from './step-queue.js';
import type { Unit } from './unit.js';

type Ending = { readonly output: string } | { readonly failure: Failure | undefined } | 'later' | 'slow';

export function finishSteps(context: ControlContext): StepKind<string> {
  const { engine, scopes } = context;
  return {
    what: 'ending a run',
    keyOf: (runId) => runId,
    isInMemory: (runId) => {
      const run = engine.residents.get(runId);
      return run !== undefined && (hasNoOutput(run.row) || scopes.isInMemory(requestOf(run.row)));
    },
    take: (runIds, mayWait) => withRuns(engine, runIds, (runs) => finishRuns(context, runs, mayWait)),
  };
}

async function finishRuns(
  context: ControlContext,
  runs: readonly ResidentRun[],
  mayWait: boolean,
): Promise<readonly string[]> {
  const { engine } = context;
  const { generation } = engine;
  const endings = new Map<string, Ending>();
  for (const { row } of runs) {
    if (!isOver(row)) continue;
    const ending = await endingOf(context, row, mayWait);
    endings.set(row.id, ending);
    if (ending === 'later') context.later(`finish ${row.id}`, () => context.finish(row.id));
  }
  if (generation !== engine.generation) return [];
  const computed = [...endings].filter(([, ending]) => typeof ending === 'object').map(([id]) => id);
  if (computed.length > 0) {
    await decide(engine, computed, (unit) => {
      for (const { row } of unit.runs) {
        const ending = endings.get(row.id);
        if (typeof ending === 'object' && isOver(row)) finish(unit, row, ending);
      }
    });
  }
  return [...endings].filter(([, ending]) => ending === 'slow').map(([id]) => id);
}

const isOver = ({ openTasks, state }: RunRow): boolean => openTasks === 0 && !isTerminalRun(state);

function finish(unit: Unit, run: RunRow, ending: Exclude<Ending, string>): void {
  if ('output' in ending) run.output = ending.output;
  else run.error ??= ending.failure ? JSON.stringify(ending.failure) : run.failure;
  run.finishedAt = unit.now;
  run.dueAt = null;
  if (run.state === 'PENDING') unit.moveRun(run, 'start');
  unit.moveRun(run, run.error === null ? 'succeed' : 'fail');
  unit.tell(run, { type: 'run.done', runState: run.state, ...(run.error === null ? {} : { error: run.error }) });
}

const isFailed = ({ error, failure }: RunRow): boolean => error !== null || failure !== null;
const hasNoOutput = (run: RunRow): boolean => isFailed(run) || run.outputTemplate === null;

async function endingOf(context: ControlContext, run: RunRow, mayWait: boolean): Promise<Ending> {
  if (isFailed(run)) return { failure: undefined };
  if (run.outputTemplate === null) return { output: 'null' };
  try {
    return await outputOf(context, run, mayWait);
  } catch (error) {
    if (error instanceof CogmeshError && error.retryable) return 'later';
    return { failure: failureOfThrown(error) };
  }
}

async function outputOf(
  { scopes, payloads, settings }: ControlContext,
  run: RunRow,
  mayWait: boolean,
): Promise<Ending> {
  const [built] = (await scopes.build([requestOf(run)])).values();
  if (!built) throw new CogmeshError('unavailable', `run ${run.id} is not in memory any more`);
  const { limits, maxInlineBytes } = settings;
  if (built.error) throw built.error;
  const output = evaluateTemplate(JSON.parse(run.outputTemplate ?? 'null') as Json, built.scope, {
    kind: 'task',
    maxSteps: limits.maxExpressionSteps,
  });
  const json = JSON.stringify(output);
  if (!mayWait && Buffer.byteLength(json) > maxInlineBytes) return 'slow';
  return { output: await inlineOrStored(json, { payloads, organisation: run.organisation, maxInlineBytes }) };
}

function requestOf({ id, outputTemplate }: RunRow): ScopeRequest {
  const template = JSON.parse(outputTemplate ?? 'null') as Json;
  return { runId: id, taskId: '', itemIndex: -1, references: mergedReferences(referencesIn(template, 'task')) };
}
