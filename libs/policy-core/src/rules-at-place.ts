/** Rules that hang at one place of the index. A few are looked through; many are kept by action besides. */
import { coversAction, type Rule } from './rule.js';

/** From so many on the rules are kept by action. */
const many = 16;

export class RulesAtPlace {
  #rules: Rule[] | undefined;
  #byAction: Map<string, Rule[]> | undefined;

  /** A rule's globs are added one after the other, so a rule that is there already is the last. */
  add(rule: Rule): void {
    this.#rules ??= [];
    if (this.#rules.at(-1) === rule) return;
    this.#rules.push(rule);
    if (this.#byAction !== undefined) addByAction(this.#byAction, rule);
    else if (this.#rules.length === many) {
      this.#byAction = new Map();
      for (const each of this.#rules) addByAction(this.#byAction, each);
    }
  }

  /** Adds the rules for this action to `found`. */
  pick(action: string, found: Rule[]): void {
    if (this.#rules === undefined) return;
    if (this.#byAction === undefined) {
      for (const rule of this.#rules) if (coversAction(rule, action)) found.push(rule);
      return;
    }
    for (const rule of this.#byAction.get(action) ?? []) found.push(rule);
    if (action !== '*') for (const rule of this.#byAction.get('*') ?? []) found.push(rule);
  }
}

function addByAction(byAction: Map<string, Rule[]>, rule: Rule): void {
  for (const action of rule.permissions) {
    const rules = byAction.get(action);
    if (rules === undefined) byAction.set(action, [rule]);
    else if (rules.at(-1) !== rule) rules.push(rule);
  }
}
