/**
 * Finds the few rules that may speak about a request among thousands: by action, then down a tree of the globs' literal
 * segments. It may answer a rule that turns out not to match, and never misses one that does.
 */
import type { Rule } from './rule.js';

interface Node {
  readonly rules: Rule[];
  readonly children: Map<string, Node>;
}

const emptyNode = (): Node => ({ rules: [], children: new Map() });

export class RuleIndex {
  readonly #rootOfAction = new Map<string, Node>();

  constructor(rules: readonly Rule[]) {
    for (const rule of rules) for (const action of rule.permissions) this.#add(action, rule);
  }

  /** Candidates, each once. */
  find(action: string, segments: readonly string[]): Rule[] {
    const found = new Set<Rule>();
    collect(this.#rootOfAction.get(action), segments, found);
    if (action !== '*') collect(this.#rootOfAction.get('*'), segments, found);
    return [...found];
  }

  #add(action: string, rule: Rule): void {
    let root = this.#rootOfAction.get(action);
    if (root === undefined) this.#rootOfAction.set(action, (root = emptyNode()));
    for (const glob of rule.globs) descend(root, glob.literal).rules.push(rule);
  }
}

function descend(root: Node, literal: readonly string[]): Node {
  let node = root;
  for (const segment of literal) {
    let child = node.children.get(segment);
    if (child === undefined) node.children.set(segment, (child = emptyNode()));
    node = child;
  }
  return node;
}

function collect(root: Node | undefined, segments: readonly string[], found: Set<Rule>): void {
  let node = root;
  for (let depth = 0; node !== undefined; depth++) {
    for (const rule of node.rules) found.add(rule);
    const segment = segments[depth];
    node = segment === undefined ? undefined : node.children.get(segment);
  }
}
