/**
 * Conditions: CEL, strictly typed, checked when the policy is written. What a check cannot know (the type of an
 * attribute, whether it is there) is an error when evaluated, never false. Not in the language here: `matches` (an
 * author's regular expression would run against a stranger's input), functions that build lists, clocks, loops in loops,
 * and whatever may take more than limits.conditionCost steps.
 */
import { Environment, EvaluationError, ParseError, TypeError as CelTypeError } from '@marcbachmann/cel-js';
import { at, walkCondition, type ConditionProblem, type Walked } from './condition-walk.js';
import { FactsOfResource, FactsOfTopology, type Facts } from './facts.js';
import { limits } from './limits.js';
import type { Reads } from './types.js';

export interface Condition {
  readonly text: string;
  readonly readsRole: boolean;
  /** Reads `role` or `roles`. */
  readonly readsRoles: boolean;
  readonly reads: Reads;
  /** Names `org_id` or `issuer`, and so says whose subjects it means. */
  readonly namesOrganisation: boolean;
  /** Throws when the condition has no boolean answer. */
  evaluate(facts: Facts): boolean;
}

/** In a `binding` there are no roles to read: they are what it decides about. */
export type ConditionPlace = 'policy' | 'binding';

const bindingEnvironment = new Environment({
  unlistedVariablesAreDyn: false,
  limits: { maxAstNodes: limits.conditionNodes, maxDepth: limits.conditionDepth },
})
  .registerType('Resource', {
    ctor: FactsOfResource,
    fields: { type: 'string', id: 'string', path: 'string', owner: 'string', attributes: 'map<string, dyn>' },
  })
  .registerType('Topology', {
    ctor: FactsOfTopology,
    fields: { parents: 'list<string>', members: 'list<string>', partners: 'list<string>' },
  })
  .registerVariable('sub', 'string')
  .registerVariable('org_id', 'string')
  .registerVariable('issuer', 'string')
  .registerVariable('action', 'string')
  .registerVariable('resource', 'Resource')
  .registerVariable('topology', 'Topology')
  .registerVariable('context', 'map<string, dyn>')
  .registerVariable('attributes', 'map<string, dyn>');

const environments: Record<ConditionPlace, Environment> = {
  binding: bindingEnvironment,
  policy: bindingEnvironment.clone().registerVariable('role', 'string').registerVariable('roles', 'list<string>'),
};

/** Compiled conditions by place and text: sets repeat themselves, and each is compiled to check and again to serve. */
const compiled = new Map<string, Condition>();

/** Compiles and type-checks; the answer is a condition or the first problem. */
export function compileCondition(text: string, place: ConditionPlace = 'policy'): Condition | ConditionProblem {
  if (text.length > limits.conditionChars)
    return { code: 'too_long', message: `condition is longer than ${String(limits.conditionChars)} characters` };
  const key = `${place} ${text}`;
  const known = compiled.get(key);
  if (known !== undefined) return known;
  const condition = checked(text, environments[place]);
  if (!isConditionProblem(condition)) remember(key, condition);
  return condition;
}

function remember(key: string, condition: Condition): void {
  if (compiled.size >= limits.compiledConditions) {
    const [oldest] = compiled.keys();
    if (oldest !== undefined) compiled.delete(oldest);
  }
  compiled.set(key, condition);
}

export function isConditionProblem(value: Condition | Walked | ConditionProblem): value is ConditionProblem {
  return 'code' in value;
}

function checked(text: string, environment: Environment): Condition | ConditionProblem {
  try {
    return checkedCondition(text, environment);
  } catch (thrown) {
    return problemOf(thrown);
  }
}

function checkedCondition(text: string, environment: Environment): Condition | ConditionProblem {
  const program = environment.parse(text);
  const result = program.check();
  if (!result.valid) return problemOf(result.error);
  if (result.type !== 'bool' && result.type !== 'dyn')
    return { code: 'not_boolean', message: `condition has type ${String(result.type)}, not bool` };
  const walked = walkCondition(program.ast);
  if (isConditionProblem(walked)) return walked;
  const { names, reads, cost } = walked;
  if (cost > limits.conditionCost) return tooCostly(cost);
  return {
    text,
    readsRole: names.has('role'),
    readsRoles: names.has('role') || names.has('roles'),
    reads,
    namesOrganisation: names.has('org_id') || names.has('issuer'),
    evaluate: cost < limits.listItems ? (facts) => booleanOf(program(facts)) : guarded(program, reads),
  };
}

/** The cost was counted with lists of limits.listItems at most, so longer ones are an error. */
function guarded(program: (facts: Facts) => unknown, reads: Reads): (facts: Facts) => boolean {
  return (facts) => {
    assertBounded(facts.attributes, reads.attributes);
    assertBounded(facts.context, reads.context);
    assertBounded(facts.resource.attributes, reads.resourceAttributes);
    return booleanOf(program(facts));
  };
}

function assertBounded(map: Readonly<Record<string, unknown>>, names: readonly string[]): void {
  for (const name of names)
    if (!isBounded(name === '*' ? map : map[name])) {
      const most = `${String(limits.listItems)} items or ${String(limits.textChars)} characters`;
      throw new EvaluationError(`"${name}" holds a list or text of more than ${most}`);
    }
}

function isBounded(value: unknown): boolean {
  if (typeof value === 'string') return value.length <= limits.textChars;
  if (typeof value !== 'object' || value === null) return true;
  const items: unknown[] = Array.isArray(value) ? value : Object.values(value);
  return items.length <= limits.listItems && items.every(isBounded);
}

function booleanOf(value: unknown): boolean {
  if (typeof value !== 'boolean') throw new EvaluationError('the condition is not a boolean');
  return value;
}

function tooCostly(cost: number): ConditionProblem {
  const message = `condition may take ${String(cost)} steps, at most ${String(limits.conditionCost)}; it looks through a long list inside a loop`;
  return { code: 'too_costly', message };
}

function problemOf(thrown: unknown): ConditionProblem {
  if (thrown instanceof ParseError || thrown instanceof CelTypeError || thrown instanceof EvaluationError)
    return { code: thrown.code, message: `${thrown.summary}${at(thrown.range?.start)}` };
  return { code: 'invalid_condition', message: thrown instanceof Error ? thrown.message : String(thrown) };
}

/** The first line of an evaluation error, for explanations. */
export function evaluationErrorText(thrown: unknown): string {
  if (thrown instanceof EvaluationError) return thrown.summary;
  return thrown instanceof Error ? (thrown.message.split('\n', 1)[0] ?? '') : String(thrown);
}
