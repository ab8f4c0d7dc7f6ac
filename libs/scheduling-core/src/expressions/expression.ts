/**
 * One CEL expression: compiled and checked once, evaluated under a step budget, answered as plain JSON.
 * Evaluation is pure and synchronous; everything it may read is in the scope.
 */
import { CogmeshError } from '@cogmesh/errors';
import type { ParseResult } from '@marcbachmann/cel-js';
import type { Json, JsonObject } from '../json.js';
import { suggestion } from '../suggest.js';
import { environments, namesInScope, type ScopeKind } from './environment.js';
import { BudgetExceeded, StepMeter } from './meter.js';
import { namesUsedBy, type TaskReference } from './names.js';
import { NotJsonError, toPlainJson } from './plain-json.js';

/** What an expression may read. `item` and `index` only in a forEach task's own fields. */
export interface Scope {
  readonly input: Json;
  readonly run: JsonObject;
  readonly tasks: Readonly<Record<string, { readonly output: Json; readonly state: string }>>;
  readonly item?: Json;
  readonly index?: number;
  /** Only where a schedule's document is made into a run document. */
  readonly schedule?: JsonObject;
}

/** A problem inside an expression; `position` is a character of it, from 0. */
export interface ExpressionProblem {
  readonly code: string;
  readonly message: string;
  readonly position?: number;
}

export interface Expression {
  readonly source: string;
  readonly references: readonly TaskReference[];
  readonly problems: readonly ExpressionProblem[];
  /** Throws `invalid_expression`. */
  evaluate(scope: Scope, maxSteps: number): Json;
}

const meter = new StepMeter();

/** Compiles without throwing; what is wrong stands in `problems`. */
export function compileExpression(source: string, kind: ScopeKind): Expression {
  let parsed: ParseResult;
  try {
    parsed = environments[kind].parse(source);
  } catch (error) {
    return broken(source, problemOf(error, kind));
  }
  const { references, problems } = namesUsedBy(parsed.ast);
  if (problems.length > 0) return { ...broken(source, ...problems), references };
  const checked = parsed.check();
  if (!checked.valid) return { ...broken(source, problemOf(checked.error, kind)), references };
  meter.attach(parsed.ast);
  return { source, references, problems: [], evaluate: (scope, maxSteps) => run(parsed, source, { scope, maxSteps }) };
}

function run(parsed: ParseResult, source: string, { scope, maxSteps }: { scope: Scope; maxSteps: number }): Json {
  const context = scope.index === undefined ? { ...scope } : { ...scope, index: BigInt(scope.index) };
  try {
    return toPlainJson(meter.within(maxSteps, () => parsed(context) as unknown));
  } catch (error) {
    throw new CogmeshError('invalid_expression', `in \${{ ${source} }}: ${reasonOf(error)}`, { expression: source });
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof BudgetExceeded || error instanceof NotJsonError) return error.message;
  if (error instanceof RangeError) return 'the value is too large';
  return summaryOf(error);
}

function broken(source: string, ...problems: ExpressionProblem[]): Expression {
  const evaluate = (): never => {
    throw new CogmeshError('invalid_expression', `in \${{ ${source} }}: ${problems[0]?.message ?? 'invalid'}`);
  };
  return { source, references: [], problems, evaluate };
}

interface EngineError {
  readonly name?: string;
  readonly summary?: string;
  readonly code?: string;
  readonly range?: { readonly start: number };
}

function problemOf(error: unknown, kind: ScopeKind): ExpressionProblem {
  const { name, code, range } = (error ?? {}) as EngineError;
  const summary = summaryOf(error);
  const unknown = /^Unknown variable: (.*)$/.exec(summary)?.[1];
  const position = range === undefined ? {} : { position: range.start };
  const isSyntax = name === 'ParseError' || code === undefined;
  if (unknown === undefined) return { code: isSyntax ? 'syntax_error' : code, message: summary, ...position };
  return { code: 'unknown_name', message: unknownName(unknown, kind), ...position };
}

function unknownName(name: string, kind: ScopeKind): string {
  if (name === 'item' || name === 'index') return `"${name}" exists only inside the input of a forEach task`;
  const known = namesInScope[kind];
  if (kind === 'schedule') return `no "${name}" here: the input of a schedule sees only "schedule" (id, name, time)`;
  return `no "${name}" in scope (${known.join(', ')})${suggestion(name, known)}; a task id with "-" is written tasks["my-id"]`;
}

function summaryOf(error: unknown): string {
  const { summary } = (error ?? {}) as EngineError;
  if (summary !== undefined && summary !== '') return summary;
  return error instanceof Error ? (error.message.split('\n')[0] ?? 'invalid') : String(error);
}
