/**
 * Evaluates the expressions inside any JSON value. A string that is exactly one expression becomes its value; others are
 * interpolated as text. Compiled expressions are kept in a bounded cache, since 100,000 items share a few templates.
 */
import type { Json } from '../json.js';
import { isJsonObject } from '../json.js';
import type { ScopeKind } from './environment.js';
import { compileExpression, type Expression, type Scope } from './expression.js';
import type { TaskReference } from './names.js';
import { toText } from './plain-json.js';
import { hasExpression, parseTemplate, soleExpression, type Template } from './template.js';

const maxCached = 2_000;
const templates = new Map<string, Template>();
const expressions = new Map<string, Expression>();

export function templateOf(source: string): Template {
  return cached(templates, source, () => parseTemplate(source));
}

export function expressionOf(source: string, kind: ScopeKind): Expression {
  return cached(expressions, `${kind} ${source}`, () => compileExpression(source, kind));
}

/** Least recently used entry leaves first: a hit moves the entry to the end. */
function cached<V>(cache: Map<string, V>, key: string, make: () => V): V {
  const hit = cache.get(key);
  if (hit !== undefined) cache.delete(key);
  const value = hit ?? make();
  cache.set(key, value);
  if (cache.size > maxCached) {
    const oldest = cache.keys().next().value;
    if (oldest !== undefined) cache.delete(oldest);
  }
  return value;
}

export interface EvaluateOptions {
  readonly kind: ScopeKind;
  readonly maxSteps: number;
}

/** Throws `invalid_expression`. */
export function evaluateTemplate(template: Json, scope: Scope, options: EvaluateOptions): Json {
  if (typeof template === 'string') return evaluateString(template, scope, options);
  if (Array.isArray(template)) return template.map((element: Json) => evaluateTemplate(element, scope, options));
  if (!isJsonObject(template)) return template;
  return Object.fromEntries(
    Object.entries(template).map(([key, element]) => [key, evaluateTemplate(element, scope, options)]),
  );
}

function evaluateString(source: string, scope: Scope, { kind, maxSteps }: EvaluateOptions): Json {
  if (!hasExpression(source)) return source;
  const template = templateOf(source);
  const sole = soleExpression(template);
  const valueOf = (expression: string): Json => expressionOf(expression, kind).evaluate(scope, maxSteps);
  if (sole !== undefined) return valueOf(sole);
  return template.map((part) => ('text' in part ? part.text : toText(valueOf(part.expression)))).join('');
}

/** Every task reference of the expressions inside `template`; interpolated ones count as looking inside. */
export function referencesIn(template: Json | undefined, kind: ScopeKind): TaskReference[] {
  if (template === undefined) return [];
  if (typeof template === 'string') return referencesOfString(template, kind);
  if (Array.isArray(template)) return template.flatMap((element: Json) => referencesIn(element, kind));
  return isJsonObject(template) ? Object.values(template).flatMap((element) => referencesIn(element, kind)) : [];
}

function referencesOfString(source: string, kind: ScopeKind): TaskReference[] {
  if (!hasExpression(source)) return [];
  const template = templateOf(source);
  const isSole = soleExpression(template) !== undefined;
  return template.flatMap((part) => {
    if ('text' in part) return [];
    const { references } = expressionOf(part.expression, kind);
    return isSole ? references : references.map((reference) => ({ ...reference, deep: reference.field === 'output' }));
  });
}
