/**
 * Casbin over one organisation's rules: a PERM model with domains whose two functions are the compiled glob and the
 * compiled condition. Policy rows carry only ids, so nothing an author wrote reaches Casbin's expression language,
 * whose equality is JavaScript's loose one; for the same reason its built-in matching functions are not installed.
 *
 * Casbin scans its rows one by one, so each decision hands it only the candidates of the index. That is safe because
 * enforceSync runs to its end before anything else can run.
 */
import { Enforcer, FunctionMap, newModelFromString, type Model } from 'casbin';
import type { Facts } from './condition.js';
import { counts, covers, judge, type Rule, type Verdict } from './rule.js';
import { RuleIndex } from './rule-index.js';

/** An allow and no deny; no row, no right. */
const modelText = `
[request_definition]
r = sub, dom, obj, act

[policy_definition]
p = dom, rule, eft

[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))

[matchers]
m = r.dom == p.dom && covers(p.rule, r.act, r.obj) && holds(p.rule, r.sub)
`;

/** One question to one organisation's rules, and what the rules that spoke to it answered. */
export interface Inquiry {
  readonly facts: Facts;
  readonly segments: readonly string[];
  /** The subject belongs to another organisation than the rules. */
  readonly foreign: boolean;
}

export interface Ruling {
  readonly allowed: boolean;
  /** Rules that covered the request and were judged; a deny that counted ends the list. */
  readonly verdicts: ReadonlyMap<Rule, Verdict>;
  readonly readsContext: boolean;
}

/** The request's `sub` as Casbin passes it to `holds`. */
interface Hearing extends Inquiry {
  readonly verdicts: Map<Rule, Verdict>;
}

class SyncEnforcer extends Enforcer {
  constructor(model: Model, functions: FunctionMap) {
    super();
    this.fm = functions;
    this.setModel(model);
  }
}

export class RuleEnforcer {
  readonly rules: readonly Rule[];
  readonly #domain: string;
  readonly #index: RuleIndex;
  readonly #rows: readonly string[][];
  readonly #rowsInUse: { policy: string[][] };
  readonly #enforcer: Enforcer;

  constructor(domain: string, rules: readonly Rule[]) {
    this.rules = rules;
    this.#domain = domain;
    this.#index = new RuleIndex(rules);
    this.#rows = rules.map((rule) => [domain, String(rule.position), rule.effect]);
    const model = newModelFromString(modelText);
    const assertion = model.model.get('p')?.get('p');
    if (assertion === undefined) throw new Error('the Casbin model has no policy definition');
    this.#rowsInUse = assertion;
    this.#enforcer = new SyncEnforcer(model, functionsOver(rules));
  }

  enforce(inquiry: Inquiry): Ruling {
    const candidates = this.#index.find(inquiry.facts.action, inquiry.segments);
    const readsContext = candidates.some((rule) => rule.condition?.readsContext === true);
    const hearing: Hearing = { ...inquiry, verdicts: new Map() };
    // With no row Casbin would evaluate the matcher once against empty strings.
    const allowed = candidates.length > 0 && this.#enforce(candidates, hearing);
    return { allowed, verdicts: hearing.verdicts, readsContext };
  }

  #enforce(candidates: readonly Rule[], hearing: Hearing): boolean {
    this.#rowsInUse.policy = candidates.map((rule) => this.#rows[rule.position] ?? []);
    const answer: unknown = this.#enforcer.enforceSync(hearing, this.#domain, hearing.segments, hearing.facts.action);
    return answer === true;
  }
}

function functionsOver(rules: readonly Rule[]): FunctionMap {
  const functions = new FunctionMap();
  functions.addFunction('covers', (position: string, action: string, segments: readonly string[]) => {
    const rule = rules[Number(position)];
    return rule !== undefined && covers(rule, action, segments);
  });
  functions.addFunction('holds', (position: string, hearing: Hearing) => {
    const rule = rules[Number(position)];
    if (rule === undefined) return false;
    const verdict = judge(rule, hearing.facts, hearing.foreign);
    hearing.verdicts.set(rule, verdict);
    return counts(rule, verdict.outcome);
  });
  return functions;
}
