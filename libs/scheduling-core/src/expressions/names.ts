/**
 * Which names an expression uses. `tasks.<id>` must be written out, followed by `.output` or `.state`, so that the
 * dependency is known at submit; `deep` says whether it looks inside the output and so needs a stored one loaded.
 */
import type { ASTNode } from '@marcbachmann/cel-js';

export interface TaskReference {
  readonly task: string;
  readonly field: 'output' | 'state';
  /** Looks inside the output instead of handing it on whole. */
  readonly deep: boolean;
}

export interface NameProblem {
  readonly code: string;
  readonly message: string;
}

export interface NamesUsed {
  readonly references: readonly TaskReference[];
  readonly problems: readonly NameProblem[];
}

/** JavaScript's regular expressions can take exponential time on a caller's pattern. */
const refusedFunctions = new Map([
  ['matches', 'matches() is not available here; use contains, startsWith, endsWith or a script task'],
]);

export function namesUsedBy(root: ASTNode): NamesUsed {
  const references: TaskReference[] = [];
  const problems: NameProblem[] = [];
  const visit = (value: unknown, isRoot: boolean): void => {
    if (Array.isArray(value)) return value.forEach((element) => visit(element, false));
    if (!isAstNode(value)) return;
    const reference = referenceOf(value);
    if (reference) {
      references.push({ ...reference, deep: reference.field === 'output' && !isRoot });
      return;
    }
    const problem = problemOf(value);
    if (problem) problems.push(problem);
    else visit(value.args, false);
  };
  visit(root, true);
  return { references, problems };
}

function problemOf(node: ASTNode): NameProblem | undefined {
  const task = taskNamed(node);
  if (task !== undefined) return incomplete(task);
  if (node.op === 'id' && node.args === 'tasks') {
    return { code: 'dynamic_task_name', message: 'name the task: tasks.<id>.output or tasks["<id>"].output' };
  }
  const called = node.op === 'rcall' || node.op === 'call' ? String((node.args as unknown[])[0]) : '';
  const refused = refusedFunctions.get(called);
  return refused === undefined ? undefined : { code: 'unavailable_function', message: refused };
}

const incomplete = (task: string): NameProblem => ({
  code: 'unknown_field',
  message: `a task has "output" and "state": write tasks.${task}.output or tasks.${task}.state`,
});

/** `tasks.x.output` or `tasks.x.state`. */
function referenceOf(node: ASTNode): { task: string; field: 'output' | 'state' } | undefined {
  const member = memberOf(node);
  if (!member || (member.name !== 'output' && member.name !== 'state')) return undefined;
  const task = taskNamed(member.of);
  return task === undefined ? undefined : { task, field: member.name };
}

/** `tasks.x` or `tasks["x"]`. */
function taskNamed(node: ASTNode): string | undefined {
  const member = memberOf(node);
  return member && member.of.op === 'id' && member.of.args === 'tasks' ? member.name : undefined;
}

function memberOf(node: ASTNode): { of: ASTNode; name: string } | undefined {
  if (!['.', '.?', '[]', '[?]'].includes(node.op)) return undefined;
  const [of, key] = node.args as [ASTNode, unknown];
  if (typeof key === 'string') return { of, name: key };
  return isAstNode(key) && key.op === 'value' && typeof key.args === 'string' ? { of, name: key.args } : undefined;
}

function isAstNode(value: unknown): value is ASTNode {
  return typeof value === 'object' && value !== null && 'op' in value && 'args' in value;
}
