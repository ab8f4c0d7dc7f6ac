/** What a ready task needs before it can be claimed, or instead of it: `when`, `forEach`, `sleep`, `approval`, `run`. */
import { CogmeshError } from '@cogmesh/errors';
import { evaluateTemplate, referencesIn } from '../expressions/evaluate-template.js';
import type { Scope } from '../expressions/expression.js';
import type { TaskReference } from '../expressions/names.js';
import { isJsonObject, jsonTypeOf, type Json } from '../json.js';
import type { RunPlan, TaskPlan } from '../run-plan.js';
import { waitsInScheduler } from '../uses.js';
import { askApproval } from './approvals.js';
import { breather } from './breath.js';
import { startsTasks } from './claims.js';
import type { ControlContext } from './controls.js';
import { decide, withRuns } from './decide.js';
import { expand } from './expand.js';
import { startNested } from './nested-runs.js';
import type { Outcomes } from './outcomes.js';
import { failureOfThrown, prepareInput } from './prepare-input.js';
import type { Failure, ReadyEntry, TaskRow } from './rows.js';
import { mergedReferences, storedJsonIn, type BuiltScope, type ScopeRequest } from './scopes.js';
import type { StepKind } from './step-queue.js';
import type { Unit } from './unit.js';

type Change =
  | { readonly kind: 'skip' }
  | { readonly kind: 'sleep'; readonly durationMs: number }
  | { readonly kind: 'approval'; readonly message: string; readonly plan: TaskPlan }
  | { readonly kind: 'nested'; readonly run: RunPlan; readonly timeoutMs: number }
  | { readonly kind: 'expand'; readonly list: Json; readonly plan: TaskPlan }
  | { readonly kind: 'invalid'; readonly failure: Failure };

/**
 * `order`: it is work for an agent. `later`: a neighbour does not answer; the task stays READY. `slow`: it has to wait for
 * somebody and may not here.
 */
type Step = Change | { readonly kind: 'order' | 'later' | 'slow' };

const isChange = (step: Step | undefined): step is Change =>
  step !== undefined && step.kind !== 'order' && step.kind !== 'later' && step.kind !== 'slow';

export function precedeSteps(context: ControlContext): StepKind<ReadyEntry> {
  const { engine, scopes } = context;
  const rootOf = ({ runId }: ReadyEntry): string => engine.residents.get(runId)?.row.rootRunId ?? runId;
  return {
    what: 'preparing a task',
    keyOf: ({ key }) => key,
    isInMemory: (entry) => {
      const plan = planOf(context, entry);
      return (
        plan !== undefined &&
        engine.residents.get(rootOf(entry)) !== undefined &&
        scopes.isInMemory(requestOf(entry, plan))
      );
    },
    take: (entries, mayWait) =>
      withRuns(engine, entries.map(({ runId }) => runId), () =>
        withRuns(engine, entries.map(rootOf), () => precedeClaims(context, entries, mayWait)),
      ), // prettier-ignore
  };
}

async function precedeClaims(
  context: ControlContext,
  entries: readonly ReadyEntry[],
  mayWait: boolean,
): Promise<readonly ReadyEntry[]> {
  const { engine, heads } = context;
  const { generation } = engine;
  const steps = await stepsOf(context, entries, mayWait);
  if (generation !== engine.generation) return [];
  const changes = entries.filter(({ key }) => isChange(steps.get(key)));
  if (changes.length > 0) await applyAll(context, changes, steps);
  if (generation !== engine.generation) return [];
  for (const entry of entries) {
    const kind = steps.get(entry.key)?.kind;
    if (kind === 'order') heads.prepared(entry);
    else if (kind === 'later') heads.putOff(entry);
    // What was changed is told to be ready no more; this is for what was not ready in the first place.
    else if (kind !== 'slow') heads.gone(entry);
  }
  return entries.filter(({ key }) => steps.get(key)?.kind === 'slow');
}

async function applyAll(
  context: ControlContext,
  changes: readonly ReadyEntry[],
  steps: ReadonlyMap<string, Step>,
): Promise<void> {
  const { engine } = context;
  const roots = changes.flatMap(({ runId }) => engine.residents.get(runId)?.row.rootRunId ?? []);
  await decide(engine, [...changes.map(({ runId }) => runId), ...roots], (unit, outcomes) => {
    for (const entry of changes) {
      const [row, step] = [unit.task(entry), steps.get(entry.key)];
      if (row?.state !== 'READY' || !startsTasks(unit.run(row)) || !isChange(step)) continue;
      apply(context, { unit, outcomes, row, step });
    }
  });
}

const planOf = ({ engine }: ControlContext, { runId, taskId }: ReadyEntry): TaskPlan | undefined => {
  const run = engine.residents.get(runId);
  return run?.task(taskId) && run.plan(taskId);
};

const requestOf = ({ runId, taskId, itemIndex }: ReadyEntry, plan: TaskPlan): ScopeRequest => ({
  runId,
  taskId,
  itemIndex,
  references: mergedReferences(referencesBefore(plan, itemIndex)),
});

async function stepsOf(
  context: ControlContext,
  entries: readonly ReadyEntry[],
  mayWait: boolean,
): Promise<Map<string, Step>> {
  const planned = entries.flatMap((entry) => {
    const plan = planOf(context, entry);
    return plan ? [{ entry, plan }] : [];
  });
  const scopes = await context.scopes.build(planned.map(({ entry, plan }) => requestOf(entry, plan)));
  const steps = new Map<string, Step>();
  const breathe = breather(context.engine.clock);
  for (const { entry, plan } of planned) {
    const built = scopes.get(entry.key);
    const { itemIndex } = entry;
    if (built) steps.set(entry.key, await stepOf(context, { plan, itemIndex, mayWait }, built));
    await breathe();
  }
  return steps;
}

/** `when` and `forEach` are the task's own; what waits in the scheduler needs its input as well, as a value. */
function referencesBefore(plan: TaskPlan, itemIndex: number): TaskReference[] {
  const inside = (references: readonly TaskReference[]) =>
    references.map((reference) => ({ ...reference, deep: true }));
  const kind = itemIndex < 0 ? 'task' : 'item';
  const input = waitsHere(plan, itemIndex) ? inside(referencesIn(plan.input, kind)) : [];
  if (itemIndex >= 0) return input;
  return [...referencesIn(plan.when, 'task'), ...inside(referencesIn(plan.forEach, 'task')), ...input];
}

const waitsHere = (plan: TaskPlan, itemIndex: number): boolean =>
  waitsInScheduler(plan.uses) && (plan.forEach === undefined || itemIndex >= 0);

interface Preceding {
  readonly plan: TaskPlan;
  readonly itemIndex: number;
  readonly mayWait: boolean;
}

async function stepOf(
  context: ControlContext,
  { plan, itemIndex, mayWait }: Preceding,
  { scope, run, error: unloaded }: BuiltScope,
): Promise<Step> {
  const options = { kind: 'task', maxSteps: context.settings.limits.maxExpressionSteps } as const;
  const own: Pick<TaskPlan, 'when' | 'forEach'> = itemIndex < 0 ? plan : {};
  try {
    if (unloaded) throw unloaded;
    if (own.when !== undefined && !asBoolean(evaluateTemplate(own.when, scope, options))) return { kind: 'skip' };
    if (own.forEach !== undefined) {
      const value = evaluateTemplate(own.forEach, scope, options);
      if (!mayWait && storedJsonIn(value) !== undefined) return { kind: 'slow' };
      return { kind: 'expand', list: await context.scopes.inside(value, run.organisation), plan };
    }
    return waitsInScheduler(plan.uses) ? waitingStep(context, plan, scope) : { kind: 'order' };
  } catch (error) {
    if (error instanceof CogmeshError && error.retryable) return { kind: 'later' };
    return { kind: 'invalid', failure: failureOfThrown(error) };
  }
}

function waitingStep(context: ControlContext, plan: TaskPlan, scope: Scope): Step {
  const prepared = prepareInput(plan, scope, context.settings.limits.maxExpressionSteps);
  if (!prepared.ok) return { kind: 'invalid', failure: prepared.failure };
  const input = JSON.parse(prepared.input.inputJson) as Json;
  if (plan.nested)
    return { kind: 'nested', run: input === null ? plan.nested : { ...plan.nested, input }, timeoutMs: plan.timeoutMs };
  if (plan.approval) return { kind: 'approval', message: messageIn(input), plan };
  return { kind: 'sleep', durationMs: asDuration(input, context) };
}

const maxMessageLength = 2_000;

function messageIn(input: Json): string {
  const message = isJsonObject(input) ? (input['message'] ?? '') : '';
  return (typeof message === 'string' ? message : JSON.stringify(message)).slice(0, maxMessageLength);
}

function asBoolean(value: Json): boolean {
  if (typeof value === 'boolean') return value;
  throw new CogmeshError('invalid_expression', `when must be true or false, is ${jsonTypeOf(value)}`);
}

function asDuration(input: Json, { settings }: ControlContext): number {
  const duration = isJsonObject(input) ? input['durationMs'] : undefined;
  const { maxDurationMs } = settings.limits;
  if (typeof duration === 'number' && duration >= 0 && duration <= maxDurationMs) return Math.ceil(duration);
  throw new CogmeshError('invalid_input', `durationMs must be a number from 0 to ${maxDurationMs}`);
}

interface Application {
  readonly unit: Unit;
  readonly outcomes: Outcomes;
  readonly row: TaskRow;
  readonly step: Change;
}

function apply({ settings, newRunId }: ControlContext, { unit, outcomes, row, step }: Application): void {
  const { maxExpandedTasks } = settings.limits;
  switch (step.kind) {
    case 'skip':
      outcomes.skip(row);
      break;
    case 'invalid':
      outcomes.fail(row, step.failure, 'invalid');
      break;
    case 'sleep':
      unit.move(row, 'wait', { startedAt: unit.now, dueAt: unit.now + step.durationMs });
      break;
    case 'approval':
      askApproval(unit, row, step);
      break;
    case 'nested': {
      const { run: plan, timeoutMs } = step;
      startNested(unit, outcomes, { row, plan, timeoutMs, runId: newRunId(), maxTasks: maxExpandedTasks });
      break;
    }
    case 'expand':
      expand(unit, outcomes, { parent: row, plan: step.plan, list: step.list, maxExpandedTasks });
  }
}
