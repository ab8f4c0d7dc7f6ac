/** Turns what the rules of one organisation answered into code, sentence, rule ids and obligations. */
import type { Facts } from './facts.js';
import { counts } from './rule.js';
import type { Judged, Ruling } from './rule-enforcer.js';
import type { Decision, Obligation } from './types.js';

export type Finding = Pick<Decision, 'allowed' | 'code' | 'reason' | 'rules' | 'obligations'>;

const nothing: readonly Obligation[] = [];

export function findingOf(organisation: string, facts: Facts, { allowed, verdicts }: Ruling): Finding {
  const wish = `${facts.action} on ${facts.resource.path}`;
  if (allowed) return permission(organisation, wish, verdicts);
  const denying = verdicts.find(({ rule, verdict }) => rule.effect === 'deny' && counts(rule, verdict.outcome));
  if (denying !== undefined) return denial(organisation, wish, denying);
  return {
    allowed: false,
    code: 'no_matching_allow',
    reason: `no policy of ${organisation} allows ${wish} ${rolesOf(facts)}${failures(verdicts)}`,
    rules: [],
    obligations: nothing,
  };
}

function permission(organisation: string, wish: string, verdicts: readonly Judged[]): Finding {
  const rules = verdicts
    .filter(({ rule, verdict }) => rule.effect === 'allow' && verdict.outcome === 'matched')
    .map(({ rule }) => rule);
  const ids = rules.map(({ id }) => id);
  const obliging = rules.some(({ obligations }) => obligations.length > 0);
  return {
    allowed: true,
    code: 'allowed',
    reason: `${named(ids)} of ${organisation} ${ids.length > 1 ? 'allow' : 'allows'} ${wish}`,
    rules: ids,
    obligations: obliging ? rules.flatMap(({ obligations }) => obligations) : nothing,
  };
}

function denial(organisation: string, wish: string, { rule, verdict }: Judged): Finding {
  const failed = verdict.outcome === 'failed';
  const why = failed ? `, because its ${verdict.detail()}` : '';
  return {
    allowed: false,
    code: failed ? 'deny_rule_failed' : 'denied_by_rule',
    reason: `policy "${rule.id}" of ${organisation} denies ${wish}${why}`,
    rules: [rule.id],
    obligations: rule.obligations,
  };
}

function named(rules: readonly string[]): string {
  const [first = ''] = rules;
  return rules.length > 1 ? `policies ${rules.map((id) => `"${id}"`).join(', ')}` : `policy "${first}"`;
}

function rolesOf(facts: Facts): string {
  return facts.roles.length === 0 ? 'to a subject without a role' : `with role ${facts.roles.slice(0, 8).join(', ')}`;
}

function failures(verdicts: readonly Judged[]): string {
  const failed = verdicts.find(({ verdict }) => verdict.outcome === 'failed');
  return failed === undefined ? '' : ` (policy "${failed.rule.id}" was skipped, its ${failed.verdict.detail()})`;
}
