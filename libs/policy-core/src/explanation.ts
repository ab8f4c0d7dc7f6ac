/** Says what each rule did, also those that a decision never looked at, so that a person sees why none allowed. */
import { limits } from './limits.js';
import { coversAction, coversPath, judge, type Rule, type Verdict } from './rule.js';
import type { Inquiry } from './rule-enforcer.js';
import type { RuleOutcome } from './types.js';

/** Outcomes of the rules that cover the action or the resource, in document order, at most limits.explainedRules. */
export function explainRules(organisation: string, rules: readonly Rule[], inquiry: Inquiry): RuleOutcome[] {
  const outcomes: RuleOutcome[] = [];
  for (const rule of rules) {
    const verdict = verdictOf(rule, inquiry);
    if (verdict === undefined) continue;
    const condition = rule.condition?.text ?? '';
    outcomes.push({ organisation, ruleId: rule.id, effect: rule.effect, ...verdict, condition });
    if (outcomes.length === limits.explainedRules) break;
  }
  return outcomes;
}

function verdictOf(rule: Rule, { facts, segments, foreign }: Inquiry): Verdict | undefined {
  const action = coversAction(rule, facts.action);
  const path = coversPath(rule, segments);
  if (action && path) return judge(rule, facts, foreign);
  if (path)
    return {
      outcome: 'skipped',
      detail: `action "${facts.action}" is not in its permissions (${[...rule.permissions].join(', ')})`,
    };
  if (action)
    return {
      outcome: 'skipped',
      detail: `resource ${facts.resource.path} is not under ${rule.globs.map((glob) => glob.text).join(', ')}`,
    };
  return undefined;
}
