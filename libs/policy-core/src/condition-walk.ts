/**
 * What a condition's syntax tree says before it ever runs: the names it reads, the first construct that is not allowed
 * here, and a bound on its cost. The cost counts steps and takes every list and text that comes with a request or an
 * entity for as long as one may be; the condition refuses longer ones when it runs.
 */
import type { ASTNode } from '@marcbachmann/cel-js';
import { limits } from './limits.js';
import type { Reads } from './types.js';

/** Where and why a text is not a condition. Positions count characters from 0. */
export interface ConditionProblem {
  readonly code: string;
  readonly message: string;
}

export interface Walked {
  readonly names: ReadonlySet<string>;
  readonly reads: Reads;
  /** Steps at most. */
  readonly cost: number;
}

const loops = new Set(['all', 'exists', 'exists_one', 'filter']);
/** Their cost grows with the product of two inputs, or worse; `bind` doubles what it is given. */
const forbiddenFunctions = new Set(['matches', 'split', 'join', 'map', 'bind']);
const cheapFunctions = new Set(['has', 'startsWith', 'endsWith', 'int', 'double', 'bool', 'type']);
const variables = new Set([
  'sub',
  'org_id',
  'issuer',
  'role',
  'roles',
  'action',
  'resource',
  'context',
  'attributes',
  'topology',
]);

export function walkCondition(ast: ASTNode): Walked | ConditionProblem {
  const walk = new Walk();
  const problem = walk.visit(ast, 0);
  if (problem !== undefined) return problem;
  return { names: walk.names, reads: walk.reads(), cost: costOf(ast) };
}

class Walk {
  readonly names = new Set<string>();
  readonly #members: Record<keyof Reads, Set<string>> = {
    attributes: new Set(),
    context: new Set(),
    resourceAttributes: new Set(),
  };

  visit(node: ASTNode, loopDepth: number): ConditionProblem | undefined {
    if (node.op === 'value') return undefined;
    const problem = notAllowed(node, loopDepth);
    if (problem !== undefined) return problem;
    if (this.#readMember(node)) return undefined;
    const inside = isLoop(node) ? loopDepth + 1 : loopDepth;
    for (const child of childrenOf(node)) {
      const found = this.visit(child, inside);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  reads(): Reads {
    const { attributes, context, resourceAttributes } = this.#members;
    return {
      attributes: [...attributes].sort(),
      context: [...context].sort(),
      resourceAttributes: [...resourceAttributes].sort(),
    };
  }

  /** Whether the node is a variable or a member of one; then what it reads is noted and its parts need no visit. */
  #readMember(node: ASTNode): boolean {
    if (node.op === 'id') {
      this.names.add(node.args);
      const map = mapNamed(node.args);
      if (map !== undefined) this.#members[map].add('*');
      if (node.args === 'resource') this.#members.resourceAttributes.add('*');
      return true;
    }
    const member = memberOf(node);
    if (member === undefined) return false;
    const { map, name } = member;
    this.names.add(map === 'resourceAttributes' || map === undefined ? 'resource' : map);
    if (map !== undefined) this.#members[map].add(name);
    return true;
  }
}

function mapNamed(name: string): 'attributes' | 'context' | undefined {
  return name === 'attributes' || name === 'context' ? name : undefined;
}

/** `attributes.x`, `context["x"]`, `resource.attributes.x`; with no map for `resource.id` and its like. */
function memberOf(node: ASTNode): { map: keyof Reads | undefined; name: string } | undefined {
  const name = fieldName(node);
  if (name === undefined) return undefined;
  const [holder] = node.args as [ASTNode, unknown];
  if (holder.op === 'id' && holder.args === 'resource')
    return name === 'attributes' ? { map: 'resourceAttributes', name: '*' } : { map: undefined, name };
  if (holder.op === 'id') {
    const map = mapNamed(holder.args);
    return map === undefined ? undefined : { map, name };
  }
  const ofResource = fieldName(holder) === 'attributes' ? (holder.args as [ASTNode, unknown])[0] : undefined;
  return ofResource?.op === 'id' && ofResource.args === 'resource' ? { map: 'resourceAttributes', name } : undefined;
}

function fieldName(node: ASTNode): string | undefined {
  if (node.op === '.') return node.args[1];
  if (node.op !== '[]' || node.args[1].op !== 'value') return undefined;
  const key = node.args[1].args;
  return typeof key === 'string' ? key : undefined;
}

function notAllowed(node: ASTNode, loopDepth: number): ConditionProblem | undefined {
  const name = functionName(node);
  if (name === undefined) return undefined;
  if (forbiddenFunctions.has(name)) {
    const message = `${name}() is not available${at(node.start)}; use startsWith, endsWith, contains, in or ==`;
    return { code: 'forbidden_function', message };
  }
  if (!isLoop(node)) return undefined;
  if (loopDepth > 0) return { code: 'nested_loop', message: `a loop inside a loop is not available${at(node.start)}` };
  const [variable] = node.args[2];
  if (variable?.op === 'id' && variables.has(variable.args))
    return {
      code: 'shadowed_name',
      message: `${name}() names its items "${variable.args}", which means something else already${at(node.start)}`,
    };
  return undefined;
}

function functionName(node: ASTNode): string | undefined {
  return node.op === 'rcall' || node.op === 'call' ? node.args[0] : undefined;
}

function isLoop(node: ASTNode): node is Extract<ASTNode, { op: 'rcall' }> {
  return node.op === 'rcall' && loops.has(node.args[0]);
}

function childrenOf(node: ASTNode): ASTNode[] {
  return nodesIn(node.args);
}

function nodesIn(args: unknown): ASTNode[] {
  if (Array.isArray(args)) return args.flatMap(nodesIn);
  return typeof args === 'object' && args !== null && 'op' in args ? [args as ASTNode] : [];
}

function costOf(node: ASTNode): number {
  const parts = childrenOf(node).map(costOf);
  if (isLoop(node)) {
    const [receiver = 0, , body = 0] = parts;
    return receiver + lengthOf(node.args[1]) * (body + 1);
  }
  const own = node.op === 'in' ? lengthOf(node.args[1]) : isLinear(node) ? limits.listItems : 1;
  return own + parts.reduce((sum, part) => sum + part, 0);
}

function isLinear(node: ASTNode): boolean {
  const name = functionName(node);
  return name !== undefined && !cheapFunctions.has(name);
}

/** Items at most. */
function lengthOf(node: ASTNode): number {
  if (node.op === 'list') return node.args.length;
  return node.op === 'id' && node.args === 'roles' ? limits.effectiveRoles : limits.listItems;
}

export function at(position: number | undefined): string {
  return position === undefined ? '' : ` at character ${String(position)}`;
}
