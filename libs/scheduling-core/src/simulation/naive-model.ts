/**
 * What runs mean, told slowly: which states are right for a task, given how the others ended and what agents reported. It
 * shares no code with the engine, counts nothing in advance and looks at everything each time.
 */
import type { Json } from '../json.js';
import type { Failure, RunRow, TaskRow } from '../engine/rows.js';
import type { AgentOutput } from './agent-input.js';
import type { RunSpec, TaskSpec } from './scenario.js';

/** A run as it is stored, beside what was meant by it. */
export interface Meant {
  readonly row: RunRow;
  readonly spec: RunSpec;
  readonly tasks: readonly TaskRow[];
}

export const isOver = (state: string): boolean => ['SUCCEEDED', 'FAILED', 'CANCELLED', 'SKIPPED'].includes(state);

export const errorOf = ({ error }: { readonly error: string | null }): Failure | undefined =>
  error === null ? undefined : (JSON.parse(error) as Failure);

export const taskOf = ({ tasks }: Meant, id: string, index = -1): TaskRow | undefined =>
  tasks.find(({ taskId, itemIndex }) => taskId === id && itemIndex === index);

export const itemsOf = ({ tasks }: Meant, id: string): TaskRow[] =>
  tasks.filter(({ taskId, itemIndex }) => taskId === id && itemIndex >= 0).sort((a, b) => a.itemIndex - b.itemIndex);

/** Children may go on. */
export function isSatisfied(run: Meant, id: string): boolean {
  const task = taskOf(run, id);
  if (!task) return false;
  if (task.state === 'SKIPPED') return task.error === null;
  return task.state === 'SUCCEEDED' || (task.state === 'FAILED' && run.spec.tasks.get(id)?.plan.onFailure === 'ignore');
}

export const unmet = (run: Meant, spec: TaskSpec): string[] => spec.plan.depends.filter((id) => !isSatisfied(run, id));

/** Everything it depends on, at any depth. */
export function ancestorsOf({ spec }: Meant, id: string): Set<string> {
  const above = new Set(spec.tasks.get(id)?.plan.depends);
  // A set is walked to its end although it grows meanwhile.
  for (const parent of above) for (const next of spec.tasks.get(parent)?.plan.depends ?? []) above.add(next);
  return above;
}

/** Something above it failed and was not to be ignored. */
export const isBelowFailure = (run: Meant, { plan }: TaskSpec): boolean =>
  [...ancestorsOf(run, plan.id)].some(
    (id) => taskOf(run, id)?.state === 'FAILED' && run.spec.tasks.get(id)?.plan.onFailure !== 'ignore',
  );

/** What children and the run's output see; null for what has none. */
export function outputOf(run: Meant, id: string): Json {
  const task = taskOf(run, id);
  return task?.output == null ? null : (JSON.parse(task.output) as Json);
}

/** False when its condition says that it does not run; undefined without one. */
export function conditionOf(run: Meant, { when }: TaskSpec): boolean | undefined {
  if (!when) return undefined;
  const output = outputOf(run, when.task) as unknown as AgentOutput | null;
  return output !== null && output.v % 2 === when.rest;
}

/** Values of its items; undefined for a task without. */
export function listOf(run: Meant, { each }: TaskSpec): readonly number[] | undefined {
  if (!each) return undefined;
  if ('items' in each) return each.items;
  return (outputOf(run, each.task) as unknown as AgentOutput | null)?.list;
}

/** What an agent is to be given. */
export function inputOf(run: Meant, spec: TaskSpec, itemIndex: number): Json {
  const from = spec.from.map((id) => outputOf(run, id));
  const { n, does, runMs } = spec;
  if (itemIndex < 0) return { n, from, does, runMs };
  return { n: listOf(run, spec)?.[itemIndex] ?? null, index: itemIndex, from, does, runMs };
}

/** The output of a task whose items all ended. */
export const joinedOf = (run: Meant, id: string): Json =>
  itemsOf(run, id).map(({ output }) => (output == null ? null : (JSON.parse(output) as Json)));

export const runOutputOf = (run: Meant): Json => ({ out: run.spec.out.map((id) => outputOf(run, id)) });

/** How a run must have ended whose tasks ended so, unless somebody ended it before. */
export function endOf(run: Meant): 'SUCCEEDED' | 'FAILED' {
  const failed = [...run.spec.tasks.values()].some(
    ({ plan }) => plan.onFailure !== 'ignore' && taskOf(run, plan.id)?.state === 'FAILED',
  );
  return failed ? 'FAILED' : 'SUCCEEDED';
}

/** A failure that lets nothing new start. */
export const isFailing = (run: Meant): boolean =>
  [...run.spec.tasks.values()].some(
    ({ plan }) => (plan.onFailure ?? 'fail') === 'fail' && taskOf(run, plan.id)?.state === 'FAILED',
  );

/** The same value, whatever the order of an object's fields. */
export function isSame(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  const [left, right] = [Object.entries(a), Object.entries(b)];
  const other = b as Readonly<Record<string, Json>>;
  return left.length === right.length && left.every(([name, value]) => isSame(value as Json, other[name]));
}
