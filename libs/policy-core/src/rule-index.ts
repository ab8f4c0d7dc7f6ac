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
  /** Segments to pass before anything else here counts: what a tree with one branch would ask one by one. */
  readonly lead: readonly string[];
  /** Globs that end here: of this path alone, of everything below it, of both. */
  readonly here: readonly Rule[];
  readonly below: readonly Rule[];
  /** Undefined when there is none, as in most nodes. */
  readonly literals: ReadonlyMap<string, Node> | undefined;
  readonly patterns: readonly Pattern[];
}

/** A node that still grows. */
interface Draft {
  readonly here: Rule[];
  readonly below: Rule[];
  readonly literals: Map<string, Draft>;
  readonly patterns: Map<string, Draft>;
}

interface Shelf {
  readonly exact: ReadonlyMap<string, readonly Rule[]>;
  /** Undefined when there is no glob with a star. */
  readonly tree: Node | undefined;
}

const newDraft = (): Draft => ({ here: [], below: [], literals: new Map(), patterns: new Map() });
const none: readonly never[] = [];

export class RuleIndex {
  readonly #shelfOfAction: ReadonlyMap<string, Shelf>;

  constructor(rules: readonly Rule[]) {
    const ofAction = new Map<string, Rule[]>();
    for (const rule of rules) for (const action of rule.permissions) append(ofAction, action, rule);
    this.#shelfOfAction = new Map([...ofAction].map(([action, some]) => [action, shelfOf(some)]));
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

function shelfOf(rules: readonly Rule[]): Shelf {
  const exact = new Map<string, Rule[]>();
  const root = newDraft();
  for (const rule of rules)
    for (const glob of rule.globs)
      if (glob.text.includes('*')) insert(descend(root, glob), glob, rule);
      else append(exact, glob.text, rule);
  const tree = settled(root, []);
  return { exact, tree: isEmpty(tree) ? undefined : tree };
}

function append(lists: Map<string, Rule[]>, key: string, rule: Rule): void {
  const rules = lists.get(key);
  if (rules === undefined) lists.set(key, [rule]);
  else addOnce(rules, rule);
}

/** A rule's globs are added one after the other, so it can only be the last. */
function addOnce(rules: Rule[], rule: Rule): void {
  if (rules.at(-1) !== rule) rules.push(rule);
}

function insert(draft: Draft, { tail }: Glob, rule: Rule): void {
  if (tail !== 'below') addOnce(draft.here, rule);
  if (tail !== 'none') addOnce(draft.below, rule);
}

function descend(root: Draft, { head }: Glob): Draft {
  let draft = root;
  for (const segment of head) {
    const children = segment.includes('*') ? draft.patterns : draft.literals;
    let child = children.get(segment);
    if (child === undefined) children.set(segment, (child = newDraft()));
    draft = child;
  }
  return draft;
}

function settled(draft: Draft, lead: readonly string[]): Node {
  const { here, below, literals, patterns } = draft;
  const [only] = literals;
  if (only !== undefined && literals.size === 1 && here.length + below.length + patterns.size === 0)
    return settled(only[1], [...lead, only[0]]);
  return {
    lead,
    here: here.length === 0 ? none : here,
    below: below.length === 0 ? none : below,
    literals: only && new Map([...literals].map(([segment, child]) => [segment, settled(child, [])])),
    patterns: [...patterns].map(([text, child]) => ({ matches: compileSegment(text), node: settled(child, []) })),
  };
}

function isEmpty({ here, below, literals, patterns }: Node): boolean {
  return literals === undefined && here.length + below.length + patterns.length === 0;
}

function collect(node: Node | undefined, segments: readonly string[], at: { depth: number; found: Rule[] }): void {
  if (node === undefined) return;
  const { lead, here, below, literals, patterns } = node;
  const { found } = at;
  if (!startsWith(segments, at.depth, lead)) return;
  const depth = at.depth + lead.length;
  const segment = segments[depth];
  if (segment === undefined) {
    for (const rule of here) found.push(rule);
    return;
  }
  for (const rule of below) found.push(rule);
  const next = { depth: depth + 1, found };
  collect(literals?.get(segment), segments, next);
  for (const pattern of patterns) if (pattern.matches(segment)) collect(pattern.node, segments, next);
}

function startsWith(segments: readonly string[], depth: number, lead: readonly string[]): boolean {
  for (let i = 0; i < lead.length; i++) if (segments[depth + i] !== lead[i]) return false;
  return true;
}

function byEffectAndPosition(a: Rule, b: Rule): number {
  if (a.effect !== b.effect) return a.effect === 'deny' ? -1 : 1;
  return a.position - b.position;
}
