/**
 * Conditions: CEL, strictly typed, checked when the policy is written. What a check cannot know (the type of an
 * attribute, whether it is there) is an error when evaluated, never false. Not in the language here: `matches` (an
 * author's regular expression would run against a stranger's input), functions that build lists, clocks, loops in loops.
 */
import {
  Environment,
  EvaluationError,
  ParseError,
  TypeError as CelTypeError,
  type ASTNode,
} from '@marcbachmann/cel-js';
import { limits } from './limits.js';

/** What a condition sees. */
export interface Facts {
  readonly sub: string;
  readonly org_id: string;
  readonly issuer: string;
  /** One effective role of the subject; the rule is tried with each. */
  role: string;
  readonly roles: readonly string[];
  readonly action: string;
  readonly resource: { readonly type: string; readonly id: string; readonly path: string; readonly owner: string };
  readonly context: Readonly<Record<string, unknown>>;
  readonly attributes: Readonly<Record<string, unknown>>;
}

export interface Condition {
  readonly text: string;
  readonly readsRole: boolean;
  /** Reads `role` or `roles`. */
  readonly readsRoles: boolean;
  readonly readsContext: boolean;
  /** Names `org_id` or `issuer`, and so says whose subjects it means. */
  readonly namesOrganisation: boolean;
  /** Throws when the condition has no boolean answer. */
  evaluate(facts: Facts): boolean;
}

/** Where and why a text is not a condition. Positions count characters from 0. */
export interface ConditionProblem {
  readonly code: string;
  readonly message: string;
}

const environment = new Environment({
  unlistedVariablesAreDyn: false,
  limits: { maxAstNodes: limits.conditionNodes, maxDepth: limits.conditionDepth },
})
  .registerVariable('sub', 'string')
  .registerVariable('org_id', 'string')
  .registerVariable('issuer', 'string')
  .registerVariable('role', 'string')
  .registerVariable('roles', 'list<string>')
  .registerVariable('action', 'string')
  .registerVariable({ name: 'resource', schema: { type: 'string', id: 'string', path: 'string', owner: 'string' } })
  .registerVariable('context', 'map<string, dyn>')
  .registerVariable('attributes', 'map<string, dyn>');

const loops = new Set(['all', 'exists', 'exists_one', 'filter']);
/** Their cost grows with the product of two inputs, or worse. */
const forbiddenFunctions = new Set(['matches', 'split', 'join', 'map']);

/** Compiles and type-checks; the answer is a condition or the first problem. */
export function compileCondition(text: string): Condition | ConditionProblem {
  if (text.length > limits.conditionChars)
    return { code: 'too_long', message: `condition is longer than ${String(limits.conditionChars)} characters` };
  try {
    return checkedCondition(text);
  } catch (thrown) {
    return problemOf(thrown);
  }
}

export function isConditionProblem(value: Condition | ConditionProblem): value is ConditionProblem {
  return 'code' in value;
}

function checkedCondition(text: string): Condition | ConditionProblem {
  const program = environment.parse(text);
  const result = program.check();
  if (!result.valid) return problemOf(result.error);
  if (result.type !== 'bool' && result.type !== 'dyn')
    return { code: 'not_boolean', message: `condition has type ${String(result.type)}, not bool` };
  const names = new Set<string>();
  const forbidden = walk(program.ast, names, 0);
  if (forbidden !== undefined) return forbidden;
  return {
    text,
    readsRole: names.has('role'),
    readsRoles: names.has('role') || names.has('roles'),
    readsContext: names.has('context'),
    namesOrganisation: names.has('org_id') || names.has('issuer'),
    evaluate: (facts) => booleanOf(program(facts)),
  };
}

function booleanOf(value: unknown): boolean {
  if (typeof value !== 'boolean') throw new EvaluationError('the condition is not a boolean');
  return value;
}

/** Collects the identifiers; answers the first construct that is not allowed here. */
function walk(node: ASTNode, names: Set<string>, loopDepth: number): ConditionProblem | undefined {
  if (node.op === 'value') return undefined;
  if (node.op === 'id') {
    names.add(node.args);
    return undefined;
  }
  const isLoop = node.op === 'rcall' && loops.has(node.args[0]);
  if (node.op === 'rcall' && forbiddenFunctions.has(node.args[0])) return forbiddenFunction(node.args[0], node.start);
  if (isLoop && loopDepth > 0)
    return { code: 'nested_loop', message: `a loop inside a loop is not available${at(node.start)}` };
  for (const child of childrenOf(node.args)) {
    const problem = walk(child, names, isLoop ? loopDepth + 1 : loopDepth);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function forbiddenFunction(name: string, position: number): ConditionProblem {
  const message = `${name}() is not available${at(position)}; use startsWith, endsWith, contains, in or ==`;
  return { code: 'forbidden_function', message };
}

function childrenOf(args: unknown): ASTNode[] {
  if (Array.isArray(args)) return args.flatMap(childrenOf);
  return typeof args === 'object' && args !== null && 'op' in args ? [args as ASTNode] : [];
}

function problemOf(thrown: unknown): ConditionProblem {
  if (thrown instanceof ParseError || thrown instanceof CelTypeError || thrown instanceof EvaluationError)
    return { code: thrown.code, message: `${thrown.summary}${at(thrown.range?.start)}` };
  return { code: 'invalid_condition', message: thrown instanceof Error ? thrown.message : String(thrown) };
}

function at(position: number | undefined): string {
  return position === undefined ? '' : ` at character ${String(position)}`;
}

/** The first line of an evaluation error, for explanations. */
export function evaluationErrorText(thrown: unknown): string {
  if (thrown instanceof EvaluationError) return thrown.summary;
  return thrown instanceof Error ? (thrown.message.split('\n', 1)[0] ?? '') : String(thrown);
}
