/**
 * Finds the few rules that speak about a request among thousands. Globs whose only star is their tail hang at the path before
 * it, which is looked up whole, for each depth at which there are any; the others are found down a tree of their segments,
 * where `*` and `name-*` are tried. What hangs at one place is told apart by action. The answer is exactly the rules that
 * cover the request, the denying ones first, each group in document order.
 */
import { compileGlob, compileSegment, type Glob } from './glob.js';
import { RulesAtPlace } from './rules-at-place.js';
import type { Rule } from './rule.js';

/** Where globs end: those of this path alone, and those of everything below it; one may be in both. */
class Place {
  readonly here = new RulesAtPlace();
  readonly below = new RulesAtPlace();

  add({ tail }: Glob, rule: Rule): void {
    if (tail !== 'below') this.here.add(rule);
    if (tail !== 'none') this.below.add(rule);
  }
}

interface Node {
  /** Undefined where no glob ends. */
  place: Place | undefined;
  readonly literals: Map<string, Node>;
  readonly patterns: Map<string, Pattern>;
}

interface Pattern {
  readonly matches: (segment: string) => boolean;
  readonly node: Node;
}

interface Search {
  readonly action: string;
  readonly segments: readonly string[];
  readonly found: Rule[];
}

const newNode = (): Node => ({ place: undefined, literals: new Map(), patterns: new Map() });
const none: readonly Rule[] = [];

export class RuleIndex {
  /** By path; `` is above every path. */
  readonly #places = new Map<string, Place>();
  /** Whether there is any place of so many segments. */
  readonly #depths: boolean[] = [];
  /** Undefined when no glob has a star before its tail. */
  #tree: Node | undefined;

  constructor(rules: readonly Rule[]) {
    for (const rule of rules) for (const text of rule.resources) this.#add(compileGlob(text), rule);
  }

  /** Each rule once. `segments` are those of `path`. */
  find(action: string, path: string, segments: readonly string[]): readonly Rule[] {
    const found: Rule[] = [];
    this.#lookUp(path, { action, segments, found });
    if (this.#tree !== undefined) collect(this.#tree, 0, { action, segments, found });
    if (found.length < 2) return found.length === 0 ? none : found;
    found.sort(byEffectAndPosition);
    return found.filter((rule, i) => rule !== found[i - 1]);
  }

  #lookUp(path: string, { action, segments, found }: Search): void {
    let end = 0;
    for (let depth = 0; depth < segments.length; depth++) {
      if (this.#depths[depth] === true) this.#places.get(path.slice(0, end))?.below.pick(action, found);
      end = path.indexOf('/', end + 1);
    }
    this.#places.get(path)?.here.pick(action, found);
  }

  #add(glob: Glob, rule: Rule): void {
    if (glob.head.some((segment) => segment.includes('*'))) {
      const node = descend((this.#tree ??= newNode()), glob);
      (node.place ??= new Place()).add(glob, rule);
    } else this.#placeOf(glob).add(glob, rule);
  }

  #placeOf({ head }: Glob): Place {
    const path = head.map((segment) => `/${segment}`).join('');
    let place = this.#places.get(path);
    if (place === undefined) this.#places.set(path, (place = new Place()));
    this.#depths[head.length] = true;
    return place;
  }
}

function descend(root: Node, { head }: Glob): Node {
  let node = root;
  for (const segment of head) node = segment.includes('*') ? patternChild(node, segment) : literalChild(node, segment);
  return node;
}

function literalChild(node: Node, segment: string): Node {
  let child = node.literals.get(segment);
  if (child === undefined) node.literals.set(segment, (child = newNode()));
  return child;
}

function patternChild(node: Node, text: string): Node {
  let pattern = node.patterns.get(text);
  if (pattern === undefined) {
    pattern = { matches: compileSegment(text), node: newNode() };
    node.patterns.set(text, pattern);
  }
  return pattern.node;
}

function collect(node: Node | undefined, depth: number, search: Search): void {
  if (node === undefined) return;
  const { action, segments, found } = search;
  const segment = segments[depth];
  if (segment === undefined) {
    node.place?.here.pick(action, found);
    return;
  }
  node.place?.below.pick(action, found);
  collect(node.literals.get(segment), depth + 1, search);
  for (const pattern of node.patterns.values()) if (pattern.matches(segment)) collect(pattern.node, depth + 1, search);
}

function byEffectAndPosition(a: Rule, b: Rule): number {
  if (a.effect !== b.effect) return a.effect === 'deny' ? -1 : 1;
  return a.position - b.position;
}
