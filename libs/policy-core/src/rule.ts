/**
 * One compiled rule and its three-valued answer. Default deny lives here for the single rule: an allow rule whose
 * condition fails does not allow, a deny rule whose condition fails denies.
 *
 * A role name means a role of the rule's own organisation. An allow rule that reads `role` or `roles` without naming
 * `org_id` or `issuer` therefore does not apply to another organisation's subjects, who choose their role names themselves.
 */
import { compileCondition, evaluationErrorText, isConditionProblem, type Condition, type Facts } from './condition.js';
import { compileGlob, type Glob } from './glob.js';
import type { Effect, PolicyDocument } from './types.js';
import { CogmeshError } from '@cogmesh/errors';

export type Outcome = 'matched' | 'skipped' | 'failed';

export interface Verdict {
  readonly outcome: Outcome;
  readonly detail: string;
}

export interface Rule {
  readonly id: string;
  /** Place in the document, from 0. */
  readonly position: number;
  readonly effect: Effect;
  readonly permissions: ReadonlySet<string>;
  readonly globs: readonly Glob[];
  readonly condition: Condition | undefined;
  /** An allow rule about roles that does not say whose: own subjects only. */
  readonly ownSubjectsOnly: boolean;
}

/** Compiles one document of a parsed set; `invalid_policy` if it was not parsed. */
export function compileRule(document: PolicyDocument, position: number): Rule {
  const condition = document.policy === undefined ? undefined : compileCondition(document.policy);
  if (condition !== undefined && isConditionProblem(condition))
    throw new CogmeshError('invalid_policy', `policy "${document.id}": ${condition.message}`);
  return {
    id: document.id,
    position,
    effect: document.effect,
    permissions: new Set(document.permissions),
    globs: document.resources.map(compileGlob),
    condition,
    ownSubjectsOnly: document.effect === 'allow' && condition?.readsRoles === true && !condition.namesOrganisation,
  };
}

/** Whether the rule speaks about this action on this path at all. */
export function covers(rule: Rule, action: string, segments: readonly string[]): boolean {
  return coversAction(rule, action) && coversPath(rule, segments);
}

export function coversAction(rule: Rule, action: string): boolean {
  return rule.permissions.has(action) || rule.permissions.has('*');
}

export function coversPath(rule: Rule, segments: readonly string[]): boolean {
  return rule.globs.some((glob) => glob.matches(segments));
}

/** Whether the rule, had it `outcome`, counts towards its effect. */
export function counts(rule: Rule, outcome: Outcome): boolean {
  return outcome === 'matched' || (outcome === 'failed' && rule.effect === 'deny');
}

/** Judges the condition for a rule that covers the request. `foreign`: the subject is another organisation's. */
export function judge(rule: Rule, facts: Facts, foreign: boolean): Verdict {
  const { condition } = rule;
  if (condition === undefined) return { outcome: 'matched', detail: 'no condition' };
  if (foreign && rule.ownSubjectsOnly) return ownSubjectsOnly;
  if (!condition.readsRole) return tried(condition, facts);
  return judgeRoles(rule, condition, facts);
}

const ownSubjectsOnly: Verdict = {
  outcome: 'skipped',
  detail: "reads role without org_id or issuer, so it applies to its own organisation's subjects only",
};

/** With no role an allow rule about roles is skipped and a deny rule is tried with the empty role, so neither opens. */
function judgeRoles(rule: Rule, condition: Condition, facts: Facts): Verdict {
  if (facts.roles.length === 0 && rule.effect === 'allow')
    return { outcome: 'skipped', detail: 'the subject has no role' };
  let failure: Verdict | undefined;
  for (const role of facts.roles.length === 0 ? [''] : facts.roles) {
    facts.role = role;
    const verdict = tried(condition, facts);
    if (verdict.outcome === 'matched') return { outcome: 'matched', detail: `condition true with role "${role}"` };
    if (verdict.outcome === 'failed') failure = verdict;
  }
  return failure ?? { outcome: 'skipped', detail: `condition false with every role (${facts.roles.join(', ')})` };
}

const conditionTrue: Verdict = { outcome: 'matched', detail: 'condition true' };
const conditionFalse: Verdict = { outcome: 'skipped', detail: 'condition false' };

function tried(condition: Condition, facts: Facts): Verdict {
  try {
    return condition.evaluate(facts) ? conditionTrue : conditionFalse;
  } catch (thrown) {
    return { outcome: 'failed', detail: `condition failed: ${evaluationErrorText(thrown)}` };
  }
}
