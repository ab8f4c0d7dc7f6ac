/** Turns what the rules of one organisation answered into code, sentence and rule ids. */
import type { Facts } from './condition.js';
import { counts, type Rule, type Verdict } from './rule.js';
import type { Ruling } from './rule-enforcer.js';
import type { Decision } from './types.js';

export type Finding = Pick<Decision, 'allowed' | 'code' | 'reason' | 'rules'>;

export function findingOf(organisation: string, facts: Facts, ruling: Ruling): Finding {
  const verdicts = [...ruling.verdicts].sort(([a], [b]) => a.position - b.position);
  const wish = `${facts.action} on ${facts.resource.path}`;
  if (ruling.allowed) {
    const rules = verdicts
      .filter(([rule, verdict]) => rule.effect === 'allow' && verdict.outcome === 'matched')
      .map(idOf);
    return {
      allowed: true,
      code: 'allowed',
      reason: `${named(rules)} of ${organisation} ${rules.length > 1 ? 'allow' : 'allows'} ${wish}`,
      rules,
    };
  }
  const denying = verdicts.find(([rule, verdict]) => rule.effect === 'deny' && counts(rule, verdict.outcome));
  if (denying !== undefined) return denial(organisation, wish, denying);
  return {
    allowed: false,
    code: 'no_matching_allow',
    reason: `no policy of ${organisation} allows ${wish} ${rolesOf(facts)}${failures(verdicts)}`,
    rules: [],
  };
}

function denial(organisation: string, wish: string, [rule, verdict]: [Rule, Verdict]): Finding {
  const failed = verdict.outcome === 'failed';
  const reason = `policy "${rule.id}" of ${organisation} denies ${wish}${failed ? `, because its ${verdict.detail}` : ''}`;
  return { allowed: false, code: failed ? 'deny_rule_failed' : 'denied_by_rule', reason, rules: [rule.id] };
}

function idOf([rule]: [Rule, Verdict]): string {
  return rule.id;
}

function named(rules: readonly string[]): string {
  const [first = ''] = rules;
  return rules.length > 1 ? `policies ${rules.map((id) => `"${id}"`).join(', ')}` : `policy "${first}"`;
}

function rolesOf(facts: Facts): string {
  return facts.roles.length === 0 ? 'to a subject without a role' : `with role ${facts.roles.slice(0, 8).join(', ')}`;
}

function failures(verdicts: readonly [Rule, Verdict][]): string {
  const failed = verdicts.find(([, verdict]) => verdict.outcome === 'failed');
  return failed === undefined ? '' : ` (policy "${failed[0].id}" was skipped, its ${failed[1].detail})`;
}
