/** Checks every expression inside a JSON value at submit: syntax, names, tasks that exist. Collects what it depends on. */
import { templateOf, expressionOf } from '../expressions/evaluate-template.js';
import type { ScopeKind } from '../expressions/environment.js';
import { hasExpression, TemplateSyntaxError } from '../expressions/template.js';
import type { IssueList } from '../issue-list.js';
import { isJsonObject } from '../json.js';
import type { RunLimits } from '../limits.js';
import { suggestion } from '../suggest.js';

export interface TemplateChecker {
  readonly issues: IssueList;
  readonly limits: RunLimits;
  readonly taskIds: ReadonlySet<string>;
  /** The task whose field this is: it cannot read itself. */
  readonly self?: string;
  /** Filled with the tasks that expressions name. */
  readonly depends: Set<string>;
}

const maxDepth = 64;

export function checkTemplate(
  value: unknown,
  at: { path: string; kind: ScopeKind },
  checker: TemplateChecker,
  depth = 0,
): void {
  if (depth > maxDepth) return checker.issues.add(at.path, 'too_deep', `is nested deeper than ${maxDepth} levels`);
  if (typeof value === 'string') return checkString(value, at, checker);
  if (Array.isArray(value)) {
    value.forEach((element, index) =>
      checkTemplate(element, { ...at, path: `${at.path}[${index}]` }, checker, depth + 1),
    );
  } else if (isJsonObject(value)) {
    for (const [key, element] of Object.entries(value)) {
      checkTemplate(element, { ...at, path: `${at.path}.${key}` }, checker, depth + 1);
    }
  }
}

function checkString(source: string, at: { path: string; kind: ScopeKind }, checker: TemplateChecker): void {
  if (source.includes('\0')) return checker.issues.add(at.path, 'invalid_character', 'contains a NUL character');
  if (!hasExpression(source)) return;
  try {
    for (const part of templateOf(source)) if ('expression' in part) checkExpression(part, at, checker);
  } catch (error) {
    if (!(error instanceof TemplateSyntaxError)) throw error;
    checker.issues.add(at.path, 'syntax_error', error.message);
  }
}

function checkExpression(
  part: { readonly expression: string; readonly offset: number },
  at: { path: string; kind: ScopeKind },
  { issues, limits, taskIds, self, depends }: TemplateChecker,
): void {
  if (part.expression.length > limits.maxExpressionLength) {
    return issues.add(at.path, 'too_long', `an expression has at most ${limits.maxExpressionLength} characters`);
  }
  const { problems, references } = expressionOf(part.expression, at.kind);
  for (const { code, message, position } of problems) {
    const where = position === undefined ? '' : ` at character ${part.offset + position + 1}`;
    issues.add(at.path, code, `${message}${where} in "${part.expression}"`);
  }
  for (const { task } of references) {
    if (task === self) issues.add(at.path, 'self_reference', `task "${task}" cannot read itself`);
    else if (!taskIds.has(task)) issues.add(at.path, 'unknown_task', `no task "${task}"${suggestion(task, taskIds)}`);
    else depends.add(task);
  }
}
