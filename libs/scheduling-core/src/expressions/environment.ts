/**
 * The CEL environment of run expressions. JSON numbers are doubles and literals like `1` are integers, so arithmetic
 * that mixes the two is defined here (CEL itself refuses it): `input.count + 1` means what it says.
 */
import { Environment } from '@marcbachmann/cel-js';

/** Which names are in scope: a task's own fields, those of a forEach item as well, or only what fires a schedule. */
export type ScopeKind = 'task' | 'item' | 'schedule';

const maxDepth = 64;

const arithmetic: readonly (readonly [string, (a: number, b: number) => number])[] = [
  ['+', (a, b) => a + b],
  ['-', (a, b) => a - b],
  ['*', (a, b) => a * b],
  ['/', (a, b) => a / b],
  ['%', (a, b) => a % b],
];

function createBase(): Environment {
  const environment = new Environment({
    unlistedVariablesAreDyn: false,
    homogeneousAggregateLiterals: false,
    enableOptionalTypes: true,
    limits: { maxAstNodes: 2_000, maxDepth, maxListElements: 1_000, maxMapEntries: 1_000 },
  });
  for (const [operator, compute] of arithmetic) {
    environment
      .registerOperator(`double ${operator} int`, (a: number, b: bigint) => compute(a, Number(b)))
      .registerOperator(`int ${operator} double`, (a: bigint, b: number) => compute(Number(a), b));
  }
  return environment.registerOperator('double % double', (a: number, b: number) => a % b);
}

const base = createBase();
const schedule = base.clone().registerVariable('schedule', 'map');
const task = base
  .clone()
  .registerVariable('input', 'dyn')
  .registerVariable('tasks', 'map')
  .registerVariable('run', 'map');
const item = task.clone().registerVariable('item', 'dyn').registerVariable('index', 'int');

export const environments: Readonly<Record<ScopeKind, Environment>> = { task, item, schedule };

export const namesInScope: Readonly<Record<ScopeKind, readonly string[]>> = {
  task: ['input', 'tasks', 'run'],
  item: ['input', 'tasks', 'run', 'item', 'index'],
  schedule: ['schedule'],
};
