/** What a ready task needs before it can be claimed, or instead of it: `when`, `sleep`, `forEach`. */
import { CogmeshError } from '@cogmesh/errors';
import {
  evaluateTemplate,
  isJsonObject,
  jsonTypeOf,
  referencesIn,
  type Json,
  type TaskPlan,
} from '@cogmesh/scheduling-core';
import type { Failure, ReadyEntry, TaskRow } from '../model/rows.js';
import { breather } from './breath.js';
import type { ControlContext } from './controls.js';
import { expand } from './expand.js';
import type { Outcomes } from './outcomes.js';
import { failureOfThrown } from './prepare-input.js';
import { mergedReferences, type BuiltScope } from './scopes.js';
import type { WorkUnit } from './work-unit.js';

type Step =
  | { readonly kind: 'order' }
  | { readonly kind: 'skip' }
  | { readonly kind: 'sleep'; readonly durationMs: number }
  | { readonly kind: 'expand'; readonly list: Json; readonly plan: TaskPlan }
  | { readonly kind: 'invalid'; readonly failure: Failure }
  /** A neighbour does not answer; the task stays READY. */
  | { readonly kind: 'later' };

export async function precedeClaims(context: ControlContext, entries: readonly ReadyEntry[]): Promise<void> {
  if (entries.length === 0) return;
  const steps = await stepsOf(context, entries);
  const changes = entries.filter((entry) => !['order', 'later'].includes(steps.get(entry.key)?.kind ?? 'order'));
  if (changes.length > 0) {
    await context.engine.transact(
      changes.map((entry) => entry.runId),
      async (unit, outcomes) => {
        for (const row of await unit.load(changes)) {
          const step = steps.get(`${row.runId} ${row.taskId} ${row.itemIndex}`);
          if (step && row.state === 'READY' && unit.run(row).error === null)
            await apply(context, { unit, outcomes, row, step });
        }
      },
    );
  }
  for (const entry of entries) {
    const kind = steps.get(entry.key)?.kind;
    if (kind === 'order') context.toOrder(entry);
    if (kind === 'later') context.later(entry.key, () => context.precede(entry));
  }
}

async function stepsOf(context: ControlContext, entries: readonly ReadyEntry[]): Promise<Map<string, Step>> {
  const planOf = await context.engine.plans.load(context.engine.database, entries);
  const requests = entries.map(({ runId, taskId, itemIndex, ...entry }) => {
    const plan = planOf({ runId, taskId });
    return { ...entry, runId, taskId, itemIndex, references: mergedReferences(referencesBefore(plan)) };
  });
  const scopes = await context.scopes.build(requests);
  const steps = new Map<string, Step>();
  const breathe = breather();
  for (const entry of entries) {
    const built = scopes.get(entry.key);
    if (built) steps.set(entry.key, await stepOf(context, planOf(entry), built));
    await breathe();
  }
  return steps;
}

function referencesBefore(plan: TaskPlan) {
  const list = referencesIn(plan.forEach, 'task').map((reference) => ({ ...reference, deep: true }));
  const duration = plan.uses === 'sleep' && plan.forEach === undefined ? referencesIn(plan.input, 'task') : [];
  return [...referencesIn(plan.when, 'task'), ...list, ...duration];
}

async function stepOf(
  context: ControlContext,
  plan: TaskPlan,
  { scope, run, error: unloaded }: BuiltScope,
): Promise<Step> {
  const options = { kind: 'task', maxSteps: context.settings.limits.maxExpressionSteps } as const;
  try {
    if (unloaded) throw unloaded;
    if (plan.when !== undefined && !asBoolean(evaluateTemplate(plan.when, scope, options))) return { kind: 'skip' };
    if (plan.forEach !== undefined) {
      const value = evaluateTemplate(plan.forEach, scope, options);
      return { kind: 'expand', list: await context.scopes.inside(value, run.organisation), plan };
    }
    if (plan.uses !== 'sleep') return { kind: 'order' };
    return { kind: 'sleep', durationMs: asDuration(evaluateTemplate(plan.input, scope, options), context) };
  } catch (error) {
    if (error instanceof CogmeshError && error.retryable) return { kind: 'later' };
    return { kind: 'invalid', failure: failureOfThrown(error) };
  }
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

async function apply({ settings }: ControlContext, { unit, outcomes, row, step }: Application): Promise<void> {
  if (step.kind === 'skip') outcomes.skip(row);
  else if (step.kind === 'invalid') outcomes.fail(row, step.failure, 'invalid');
  else if (step.kind === 'sleep') unit.move(row, 'wait', { startedAt: unit.now, dueAt: unit.now + step.durationMs });
  else if (step.kind === 'expand') {
    const { maxExpandedTasks } = settings.limits;
    await expand(unit, outcomes, { parent: row, plan: step.plan, list: step.list, maxExpandedTasks });
  }
}
