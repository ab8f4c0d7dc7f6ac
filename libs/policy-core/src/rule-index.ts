/**
 * Finds the few rules that speak about a request among thousands: by action, then down a tree of glob segments. Literal
 * segments are looked up; `*` and `name-*` are tried. It answers exactly the rules that cover the request, the denying
 * ones first, each group in document order.
 */
import { compileSegment, type Glob } from './glob.js';
import type { Rule } from './rule.js';

interface Pattern {
  readonly matches: (segment: string) => boolean;
  readonly node: Node;
}

interface Node {
  /** Globs that end here: of this path alone, of everything below it, of both. */
  readonly here: Rule[];
  readonly below: Rule[];
  readonly literals: Map<string, Node>;
  readonly patterns: Map<string, Pattern>;
}

const emptyNode = (): Node => ({ here: [], below: [], literals: new Map(), patterns: new Map() });
const none: readonly Rule[] = [];

export class RuleIndex {
  readonly #rootOfAction = new Map<string, Node>();

  constructor(rules: readonly Rule[]) {
    for (const rule of rules) for (const action of rule.permissions) this.#add(action, rule);
  }

  /** Each rule once. */
  find(action: string, segments: readonly string[]): readonly Rule[] {
    const found: Rule[] = [];
    collect(this.#rootOfAction.get(action), segments, { depth: 0, found });
    if (action !== '*') collect(this.#rootOfAction.get('*'), segments, { depth: 0, found });
    if (found.length < 2) return found.length === 0 ? none : found;
    found.sort(byEffectAndPosition);
    return found.filter((rule, i) => rule !== found[i - 1]);
  }

  #add(action: string, rule: Rule): void {
    let root = this.#rootOfAction.get(action);
    if (root === undefined) this.#rootOfAction.set(action, (root = emptyNode()));
    for (const glob of rule.globs) insert(descend(root, glob), glob, rule);
  }
}

function insert(node: Node, { tail }: Glob, rule: Rule): void {
  if (tail !== 'below' && node.here.at(-1) !== rule) node.here.push(rule);
  if (tail !== 'none' && node.below.at(-1) !== rule) node.below.push(rule);
}

function descend(root: Node, { head }: Glob): Node {
  let node = root;
  for (const segment of head) node = segment.includes('*') ? patternChild(node, segment) : literalChild(node, segment);
  return node;
}

function literalChild(node: Node, segment: string): Node {
  let child = node.literals.get(segment);
  if (child === undefined) node.literals.set(segment, (child = emptyNode()));
  return child;
}

function patternChild(node: Node, text: string): Node {
  let pattern = node.patterns.get(text);
  if (pattern === undefined) {
    pattern = { matches: compileSegment(text), node: emptyNode() };
    node.patterns.set(text, pattern);
  }
  return pattern.node;
}

function collect(node: Node | undefined, segments: readonly string[], at: { depth: number; found: Rule[] }): void {
  if (node === undefined) return;
  const { depth, found } = at;
  const segment = segments[depth];
  if (segment === undefined) {
    for (const rule of node.here) found.push(rule);
    return;
  }
  for (const rule of node.below) found.push(rule);
  const next = { depth: depth + 1, found };
  collect(node.literals.get(segment), segments, next);
  for (const pattern of node.patterns.values()) if (pattern.matches(segment)) collect(pattern.node, segments, next);
}

function byEffectAndPosition(a: Rule, b: Rule): number {
  if (a.effect !== b.effect) return a.effect === 'deny' ? -1 : 1;
  return a.position - b.position;
}
