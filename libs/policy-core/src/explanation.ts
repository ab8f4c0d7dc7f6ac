/** Says what each rule did, also those that a decision never looked at, so that a person sees why none allowed. */
import { limits } from './limits.js';
import type { Organisation } from './organisation.js';
import { coversAction, coversPath, judge, type Rule, type Verdict } from './rule.js';
import type { Inquiry } from './rule-enforcer.js';
import type { RuleOutcome } from './types.js';

/** Outcomes of the rules that cover the action or the resource, in document order, at most limits.explainedRules. */
export function explainRules({ name, enforcer }: Organisation, inquiry: Inquiry): RuleOutcome[] {
  const outcomes: RuleOutcome[] = [];
  for (const rule of enforcer.rules) {
    const verdict = verdictOf(rule, inquiry);
    if (verdict === undefined) continue;
    const condition = rule.condition?.text ?? '';
    const { outcome, detail } = verdict;
    outcomes.push({ organisation: name, ruleId: rule.id, effect: rule.effect, outcome, detail: detail(), condition });
    if (outcomes.length === limits.explainedRules) break;
  }
  return outcomes;
}

function verdictOf(rule: Rule, inquiry: Inquiry): Verdict | undefined {
  const { facts, segments } = inquiry;
  const action = coversAction(rule, facts.action);
  const path = coversPath(rule, segments);
  if (action && path) return judge(rule, inquiry);
  if (path) return skipped(`action "${facts.action}" is not in its permissions (${rule.permissions.join(', ')})`);
  if (!action) return undefined;
  return skipped(`resource ${facts.resource.path} is not under ${rule.resources.join(', ')}`);
}

function skipped(detail: string): Verdict {
  return { outcome: 'skipped', detail: () => detail };
}
