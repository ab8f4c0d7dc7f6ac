/**
 * Finds the few rules that speak about a request among thousands: by action, then by path. Globs without a star are looked
 * up whole; the others down a tree of their segments, where `*` and `name-*` are tried. It answers exactly the rules that
 * cover the request, the denying ones first, each group in document order.
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

interface Shelf {
  readonly exact: Map<string, Rule[]>;
  /** Undefined until there is a glob with a star. */
  tree: Node | undefined;
}

const emptyNode = (): Node => ({ here: [], below: [], literals: new Map(), patterns: new Map() });
const none: readonly Rule[] = [];

export class RuleIndex {
  readonly #shelfOfAction = new Map<string, Shelf>();

  constructor(rules: readonly Rule[]) {
    for (const rule of rules) for (const action of rule.permissions) this.#add(action, rule);
  }

  /** Each rule once. `segments` are those of `path`. */
  find(action: string, path: string, segments: readonly string[]): readonly Rule[] {
    const found: Rule[] = [];
    lookUp(this.#shelfOfAction.get(action), { path, segments, found });
    if (action !== '*') lookUp(this.#shelfOfAction.get('*'), { path, segments, found });
    if (found.length < 2) return found.length === 0 ? none : found;
    found.sort(byEffectAndPosition);
    return found.filter((rule, i) => rule !== found[i - 1]);
  }

  #add(action: string, rule: Rule): void {
    let shelf = this.#shelfOfAction.get(action);
    if (shelf === undefined) this.#shelfOfAction.set(action, (shelf = { exact: new Map(), tree: undefined }));
    for (const glob of rule.globs)
      if (glob.text.includes('*')) insert(descend((shelf.tree ??= emptyNode()), glob), glob, rule);
      else addExact(shelf.exact, glob.text, rule);
  }
}

interface Search {
  readonly path: string;
  readonly segments: readonly string[];
  readonly found: Rule[];
}

function lookUp(shelf: Shelf | undefined, { path, segments, found }: Search): void {
  if (shelf === undefined) return;
  const exact = shelf.exact.get(path);
  if (exact !== undefined) for (const rule of exact) found.push(rule);
  if (shelf.tree !== undefined) collect(shelf.tree, segments, { depth: 0, found });
}

function addExact(exact: Map<string, Rule[]>, path: string, rule: Rule): void {
  const rules = exact.get(path);
  if (rules === undefined) exact.set(path, [rule]);
  else addOnce(rules, rule);
}

/** A rule's globs are added one after the other, so it can only be the last. */
function addOnce(rules: Rule[], rule: Rule): void {
  if (rules.at(-1) !== rule) rules.push(rule);
}

function insert(node: Node, { tail }: Glob, rule: Rule): void {
  if (tail !== 'below') addOnce(node.here, rule);
  if (tail !== 'none') addOnce(node.below, rule);
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
