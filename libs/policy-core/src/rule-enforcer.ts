/**
 * Casbin over the rules that cover a request: a PERM model with domains, whose one function is the compiled condition.
 * Policy rows carry rules, not text, so nothing an author wrote reaches Casbin's expression language, whose equality is
 * JavaScript's loose one; for the same reason its built-in matching functions are not installed.
 *
 * Casbin scans its rows one by one, so each decision hands it only the candidates of the index. One enforcer serves all
 * organisations and holds no policy of its own: rows belong to an organisation's compiled set and are swapped with it.
 * That is safe because enforceSync runs to its end before anything else can run.
 */
import { Enforcer, FunctionMap, newModelFromString, type Model } from 'casbin';
import { counts, judge, type Hearing, type Rule, type Verdict } from './rule.js';
import { RuleIndex } from './rule-index.js';

/** An allow and no deny; no row, no right. */
const modelText = `
[request_definition]
r = sub, dom

[policy_definition]
p = dom, rule, eft

[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))

[matchers]
m = r.dom == p.dom && holds(p.rule, r.sub)
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
  /** What Casbin scans; of any type, whatever its declaration says. */
  readonly rows: { policy: unknown[][] };

  constructor(model: Model, functions: FunctionMap) {
    super();
    this.fm = functions;
    this.setModel(model);
    const assertion = model.model.get('p')?.get('p');
    if (assertion === undefined) throw new Error('the Casbin model has no policy definition');
    this.rows = assertion;
  }
}

const enforcer = new SyncEnforcer(newModelFromString(modelText), functions());

const silent: Ruling = { allowed: false, verdicts: [] };

export class RuleEnforcer {
  readonly rules: readonly Rule[];
  readonly #domain: string;
  readonly #index: RuleIndex;

  /** `rules` are compiled for this domain. */
  constructor(domain: string, rules: readonly Rule[]) {
    this.rules = rules;
    this.#domain = domain;
    this.#index = new RuleIndex(rules);
  }

  /** The rules that cover this action on this path, the denying ones first. */
  candidates(action: string, path: string, segments: readonly string[]): readonly Rule[] {
    return this.#index.find(action, path, segments);
  }

  /** `candidates` are this enforcer's own, for this inquiry. */
  enforce(candidates: readonly Rule[], inquiry: Inquiry): Ruling {
    // With no row Casbin would evaluate the matcher once against empty strings.
    if (candidates.length === 0) return silent;
    const session: Session = { inquiry, verdicts: [] };
    enforcer.rows.policy = candidates.map((rule) => [rule.domain, rule, rule.effect]);
    const answer: unknown = enforcer.enforceSync(session, this.#domain);
    return { allowed: answer === true, verdicts: session.verdicts };
  }
}

function functions(): FunctionMap {
  const map = new FunctionMap();
  map.addFunction('holds', (rule: Rule, { inquiry, verdicts }: Session) => {
    const verdict = judge(rule, inquiry);
    verdicts.push({ rule, verdict });
    return counts(rule, verdict.outcome);
  });
  return map;
}
