/**
 * What can be read off a condition without a request: its parts that must all hold, which texts a variable may have, and
 * whether it can hold at all. Sound, not complete: what is said here is so; what is not said may still be.
 */
import { Environment, serialize, type ASTNode } from '@marcbachmann/cel-js';

/** Variables with exactly one value while a condition is evaluated, so that two different wishes contradict. */
const single = new Set(['sub', 'org_id', 'issuer', 'role', 'action', 'resource.type', 'resource.id', 'resource.path']);

export interface ConditionReading {
  /** Normalised texts of the parts that must all be true. Empty: always true. */
  readonly parts: ReadonlySet<string>;
  /** Variable -> the only texts it may have. */
  readonly only: ReadonlyMap<string, readonly string[]>;
  /** Variable -> texts it must not have. */
  readonly not: ReadonlyMap<string, readonly string[]>;
  /** Every text that `role` or `roles` is compared with, anywhere in the condition. */
  readonly rolesNamed: readonly string[];
  /** `attributes.team`, `context.amount`: read without a `has()` of the same anywhere. */
  readonly unguarded: readonly string[];
  readonly names: ReadonlySet<string>;
  /** Why it is false for every request; undefined when it may be true. */
  readonly never?: string;
}

const parser = new Environment({ unlistedVariablesAreDyn: true });

/** Of a condition that compiles; undefined is the absent one. */
export function readCondition(text: string | undefined): ConditionReading {
  if (text === undefined) return emptyReading;
  const { ast } = parser.parse(text);
  const nodes = conjunctsOf(ast);
  const parts = new Set(nodes.map((node) => serialize(node)).filter((part) => part !== 'true'));
  const only = new Map<string, readonly string[]>();
  const not = new Map<string, string[]>();
  for (const node of nodes) learn(node, only, not);
  const everything = [...nodesOf(ast)];
  const never = neverTrue(ast);
  return {
    parts,
    only,
    not,
    rolesNamed: [...new Set(everything.flatMap(rolesIn))],
    unguarded: unguardedIn(everything),
    names: new Set(everything.flatMap((node) => (node.op === 'id' ? [node.args] : []))),
    ...(never === undefined ? {} : { never }),
  };
}

const emptyReading: ConditionReading = {
  parts: new Set(),
  only: new Map(),
  not: new Map(),
  rolesNamed: [],
  unguarded: [],
  names: new Set(),
};

function conjunctsOf(node: ASTNode): ASTNode[] {
  return node.op === '&&' ? node.args.flatMap(conjunctsOf) : [node];
}

/** `x == 'a'`, `x in ['a', 'b']`, `x != 'a'`, `!(x in [...])`. */
function learn(node: ASTNode, only: Map<string, readonly string[]>, not: Map<string, string[]>): void {
  const wish = wishOf(node);
  if (wish === undefined) return;
  const { variable, texts, negative } = wish;
  if (negative) not.set(variable, [...(not.get(variable) ?? []), ...texts]);
  else {
    const before = only.get(variable);
    only.set(variable, before === undefined ? texts : before.filter((text) => texts.includes(text)));
  }
}

interface Wish {
  readonly variable: string;
  readonly texts: readonly string[];
  readonly negative: boolean;
}

function wishOf(node: ASTNode): Wish | undefined {
  if (node.op === '!_') {
    const inner = wishOf(node.args);
    return inner && { ...inner, negative: !inner.negative };
  }
  if (node.op === '==' || node.op === '!=') return comparisonOf(node.args, node.op === '!=');
  if (node.op !== 'in' || node.args[1].op !== 'list') return undefined;
  const variable = variableOf(node.args[0]);
  const texts = node.args[1].args.map(textOf);
  if (variable === undefined || texts.some((text) => text === undefined)) return undefined;
  return { variable, texts: texts as string[], negative: false };
}

function comparisonOf([left, right]: readonly [ASTNode, ASTNode], negative: boolean): Wish | undefined {
  const variable = variableOf(left) ?? variableOf(right);
  const text = textOf(left) ?? textOf(right);
  return variable === undefined || text === undefined ? undefined : { variable, texts: [text], negative };
}

function variableOf(node: ASTNode): string | undefined {
  if (node.op === 'id') return single.has(node.args) ? node.args : undefined;
  if (node.op !== '.' || node.args[0].op !== 'id') return undefined;
  const name = `${node.args[0].args}.${node.args[1]}`;
  return single.has(name) ? name : undefined;
}

function textOf(node: ASTNode): string | undefined {
  return node.op === 'value' && typeof node.args === 'string' ? node.args : undefined;
}

function neverTrue(node: ASTNode): string | undefined {
  if (node.op === '||') {
    const [left, right] = node.args.map(neverTrue);
    return left === undefined || right === undefined ? undefined : left;
  }
  const nodes = conjunctsOf(node);
  for (const part of nodes) {
    if (part.op === 'value' && part.args === false) return 'its condition is false';
    const inner = part === node ? undefined : neverTrue(part);
    if (inner !== undefined) return inner;
  }
  return contradiction(nodes);
}

function contradiction(nodes: readonly ASTNode[]): string | undefined {
  const only = new Map<string, readonly string[]>();
  const not = new Map<string, string[]>();
  for (const node of nodes) {
    learn(node, only, not);
    const wish = wishOf(node);
    if (wish === undefined) continue;
    const { variable } = wish;
    const left = only.get(variable)?.filter((text) => !(not.get(variable) ?? []).includes(text));
    if (left?.length === 0) return `${variable} cannot have the values it asks for at once`;
  }
  return undefined;
}

function* nodesOf(node: ASTNode): Generator<ASTNode> {
  yield node;
  for (const child of childrenOf(node.args)) yield* nodesOf(child);
}

function childrenOf(args: unknown): ASTNode[] {
  if (Array.isArray(args)) return args.flatMap(childrenOf);
  return typeof args === 'object' && args !== null && 'op' in args ? [args as ASTNode] : [];
}

/** `role == 'a'`, `role in ['a']`, `'a' in roles`. */
function rolesIn(node: ASTNode): string[] {
  if (node.op !== '==' && node.op !== '!=' && node.op !== 'in') return [];
  const sides = node.args;
  if (!sides.some((side) => side.op === 'id' && (side.args === 'role' || side.args === 'roles'))) return [];
  return sides
    .flatMap((side) => (side.op === 'list' ? side.args : [side]))
    .map(textOf)
    .filter((text) => text !== undefined);
}

function unguardedIn(nodes: readonly ASTNode[]): string[] {
  const guarded = new Set<string>();
  const read = new Set<string>();
  for (const node of nodes) {
    if (node.op === 'call' && node.args[0] === 'has') for (const arg of node.args[1]) guarded.add(serialize(arg));
    if (node.op !== '.' && node.op !== '[]') continue;
    const [of] = node.args;
    if (of.op === 'id' && (of.args === 'attributes' || of.args === 'context')) read.add(serialize(node));
  }
  return [...read].filter((text) => !guarded.has(text));
}
