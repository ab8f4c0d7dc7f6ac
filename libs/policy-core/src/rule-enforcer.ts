/**
 * Casbin over one organisation's rules: a PERM model with domains whose two functions are the compiled globs and the
 * compiled condition. Policy rows carry only ids, so nothing an author wrote reaches Casbin's expression language,
 * whose equality is JavaScript's loose one; for the same reason its built-in matching functions are not installed.
 *
 * Casbin scans its rows one by one, so each decision hands it only the candidates of the index. That is safe because
 * enforceSync runs to its end before anything else can run.
 */
import { Enforcer, FunctionMap, newModelFromString, type Model } from 'casbin';
import { counts, coversAction, coversPath, judge, type Hearing, type Rule, type Verdict } from './rule.js';
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

/** One question to one organisation's rules. */
export interface Inquiry extends Hearing {
  readonly segments: readonly string[];
}

export interface Ruling {
  readonly allowed: boolean;
  /** Rules that covered the request and were judged, the denying ones first; a deny that counted ends the list. */
  readonly verdicts: readonly Judged[];
}

export interface Judged {
  readonly rule: Rule;
  readonly verdict: Verdict;
}

/** The request's `sub` as Casbin passes it to `holds`. */
interface Session {
  readonly inquiry: Inquiry;
  readonly verdicts: Judged[];
}

class SyncEnforcer extends Enforcer {
  constructor(model: Model, functions: FunctionMap) {
    super();
    this.fm = functions;
    this.setModel(model);
  }
}

const silent: Ruling = { allowed: false, verdicts: [] };

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

  /** The rules that cover this action on this path, the denying ones first. */
  candidates(action: string, segments: readonly string[]): readonly Rule[] {
    return this.#index.find(action, segments);
  }

  /** `candidates` are this enforcer's own, for this inquiry. */
  enforce(candidates: readonly Rule[], inquiry: Inquiry): Ruling {
    // With no row Casbin would evaluate the matcher once against empty strings.
    if (candidates.length === 0) return silent;
    const session: Session = { inquiry, verdicts: [] };
    const allowed = this.#enforce(candidates, session);
    return { allowed, verdicts: session.verdicts };
  }

  #enforce(candidates: readonly Rule[], session: Session): boolean {
    const { facts, segments } = session.inquiry;
    this.#rowsInUse.policy = candidates.map((rule) => this.#rows[rule.position] ?? []);
    const answer: unknown = this.#enforcer.enforceSync(session, this.#domain, segments, facts.action);
    return answer === true;
  }
}

function functionsOver(rules: readonly Rule[]): FunctionMap {
  const functions = new FunctionMap();
  functions.addFunction('covers', (position: string, action: string, segments: readonly string[]) => {
    const rule = rules[Number(position)];
    return rule !== undefined && coversAction(rule, action) && coversPath(rule, segments);
  });
  functions.addFunction('holds', (position: string, { inquiry, verdicts }: Session) => {
    const rule = rules[Number(position)];
    if (rule === undefined) return false;
    const verdict = judge(rule, inquiry);
    verdicts.push({ rule, verdict });
    return counts(rule, verdict.outcome);
  });
  return functions;
}
