/** What a ready task needs before it can be claimed, or instead of it: `when`, `forEach`, `sleep`, `approval`, `run`. */
import { CogmeshError } from '@cogmesh/errors';
import {
  evaluateTemplate,
  isJsonObject,
  jsonTypeOf,
  referencesIn,
  waitsInScheduler,
  type Json,
  type RunPlan,
  type Scope,
  type TaskPlan,
  type TaskReference,
} from '@cogmesh/scheduling-core';
import type { Failure, ReadyEntry, TaskRow } from '../model/rows.js';
import { askApproval } from './approvals.js';
import { breather } from './breath.js';
import { startsTasks } from './claims.js';
import type { ControlContext } from './controls.js';
import { expand } from './expand.js';
import type { Outcomes } from './outcomes.js';
import { startNested } from './nested-runs.js';
import { failureOfThrown, prepareInput } from './prepare-input.js';
import { mergedReferences, type BuiltScope } from './scopes.js';
import type { WorkUnit } from './work-unit.js';

type Step =
  | { readonly kind: 'order' }
  | { readonly kind: 'skip' }
  | { readonly kind: 'sleep'; readonly durationMs: number }
  | { readonly kind: 'approval'; readonly message: string; readonly plan: TaskPlan }
  | { readonly kind: 'nested'; readonly run: RunPlan; readonly timeoutMs: number }
  | { readonly kind: 'expand'; readonly list: Json; readonly plan: TaskPlan }
  | { readonly kind: 'invalid'; readonly failure: Failure }
  /** A neighbour does not answer; the task stays READY. */
  | { readonly kind: 'later' };

export async function precedeClaims(context: ControlContext, entries: readonly ReadyEntry[]): Promise<void> {
  if (entries.length === 0) return;
  const { steps, roots } = await stepsOf(context, entries);
  const changes = entries.filter((entry) => !['order', 'later'].includes(steps.get(entry.key)?.kind ?? 'order'));
  if (changes.length > 0) {
    await context.engine.transact([...changes.map((entry) => entry.runId), ...roots], async (unit, outcomes) => {
      const rows = await unit.load(changes);
      await unit.load(rows.filter((row) => row.itemIndex >= 0).map((row) => ({ ...row, itemIndex: -1 })));
      for (const row of rows) {
        const step = steps.get(`${row.runId} ${row.taskId} ${row.itemIndex}`);
        if (step && row.state === 'READY' && startsTasks(unit.run(row)))
          await apply(context, { unit, outcomes, row, step });
      }
    });
  }
  for (const entry of entries) {
    const kind = steps.get(entry.key)?.kind;
    if (kind === 'order') context.toOrder(entry);
    if (kind === 'later') context.later(entry.key, () => context.precede(entry));
  }
}

async function stepsOf(context: ControlContext, entries: readonly ReadyEntry[]) {
  const planOf = await context.engine.plans.load(context.engine.database, entries);
  const requests = entries.map(({ runId, taskId, itemIndex, ...entry }) => {
    const plan = planOf({ runId, taskId });
    return { ...entry, runId, taskId, itemIndex, references: mergedReferences(referencesBefore(plan, itemIndex)) };
  });
  const scopes = await context.scopes.build(requests);
  const steps = new Map<string, Step>();
  const breathe = breather();
  for (const entry of entries) {
    const built = scopes.get(entry.key);
    if (built) steps.set(entry.key, await stepOf(context, { plan: planOf(entry), itemIndex: entry.itemIndex }, built));
    await breathe();
  }
  const roots = new Set([...scopes.values()].flatMap(({ run }) => run.rootRunId ?? []));
  return { steps, roots };
}

/** `when` and `forEach` are the task's own; what waits in the scheduler needs its input as well, as a value. */
function referencesBefore(plan: TaskPlan, itemIndex: number) {
  const inside = (references: readonly TaskReference[]) =>
    references.map((reference) => ({ ...reference, deep: true }));
  const kind = itemIndex < 0 ? 'task' : 'item';
  const input = waitsHere(plan, itemIndex) ? inside(referencesIn(plan.input, kind)) : [];
  if (itemIndex >= 0) return input;
  return [...referencesIn(plan.when, 'task'), ...inside(referencesIn(plan.forEach, 'task')), ...input];
}

const waitsHere = (plan: TaskPlan, itemIndex: number): boolean =>
  waitsInScheduler(plan.uses) && (plan.forEach === undefined || itemIndex >= 0);

async function stepOf(
  context: ControlContext,
  { plan, itemIndex }: { readonly plan: TaskPlan; readonly itemIndex: number },
  { scope, run, error: unloaded }: BuiltScope,
): Promise<Step> {
  const options = { kind: 'task', maxSteps: context.settings.limits.maxExpressionSteps } as const;
  const isItem = itemIndex >= 0;
  try {
    if (unloaded) throw unloaded;
    if (!isItem && plan.when !== undefined && !asBoolean(evaluateTemplate(plan.when, scope, options)))
      return { kind: 'skip' };
    if (!isItem && plan.forEach !== undefined) {
      const value = evaluateTemplate(plan.forEach, scope, options);
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
  readonly unit: WorkUnit;
  readonly outcomes: Outcomes;
  readonly row: TaskRow;
  readonly step: Step;
}

async function apply(
  { settings, newRunId }: ControlContext,
  { unit, outcomes, row, step }: Application,
): Promise<void> {
  const { maxExpandedTasks } = settings.limits;
  if (step.kind === 'skip') outcomes.skip(row);
  else if (step.kind === 'invalid') outcomes.fail(row, step.failure, 'invalid');
  else if (step.kind === 'sleep') unit.move(row, 'wait', { startedAt: unit.now, dueAt: unit.now + step.durationMs });
  else if (step.kind === 'approval') askApproval(unit, row, step);
  else if (step.kind === 'nested') {
    const { run: plan, timeoutMs } = step;
    await startNested(unit, outcomes, { row, plan, timeoutMs, runId: newRunId(), maxTasks: maxExpandedTasks });
  } else if (step.kind === 'expand') {
    await expand(unit, outcomes, { parent: row, plan: step.plan, list: step.list, maxExpandedTasks });
  }
}
