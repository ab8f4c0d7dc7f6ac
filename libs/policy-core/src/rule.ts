/**
 * One compiled rule and its three-valued answer. Default deny lives here for the single rule: an allow rule whose
 * condition fails does not allow, a deny rule whose condition fails denies.
 *
 * A role name means a role of the rule's own organisation. An allow rule that reads `role` or `roles` without naming
 * `org_id` or `issuer` therefore does not apply to another organisation's subjects, who choose their role names themselves.
 */
import { compileCondition, evaluationErrorText, isConditionProblem, type Condition } from './condition.js';
import type { Facts } from './facts.js';
import { compileGlob } from './glob.js';
import { limits } from './limits.js';
import { readsNothing } from './reads.js';
import type { Effect, Obligation, PolicyDocument, Reads } from './types.js';
import { CogmeshError } from '@cogmesh/errors';

export type Outcome = 'matched' | 'skipped' | 'failed';

export interface Verdict {
  readonly outcome: Outcome;
  /** For a person. */
  readonly detail: () => string;
}

export interface Rule {
  readonly id: string;
  /** Organisation whose rule it is. */
  readonly domain: string;
  /** Place in the document, from 0. */
  readonly position: number;
  readonly effect: Effect;
  readonly permissions: readonly string[];
  /** Globs as they are written: an index has them compiled, and an explanation compiles them when it is asked for. */
  readonly resources: readonly string[];
  readonly condition: Condition | undefined;
  readonly reads: Reads;
  readonly obligations: readonly Obligation[];
  /** An allow rule about roles that does not say whose: own subjects only. */
  readonly ownSubjectsOnly: boolean;
}

/** Whose request the rule is asked about. */
export interface Hearing {
  readonly facts: Facts;
  /** The subject belongs to another organisation than the rules. */
  readonly foreign: boolean;
  /** Why it is not known which roles the subject has, when a role binding failed. */
  readonly rolesInDoubt: string | undefined;
}

const noObligations: readonly Obligation[] = [];

/** Compiles one document of a parsed set; `invalid_policy` if it was not parsed. */
export function compileRule(document: PolicyDocument, position: number, domain: string): Rule {
  const condition = document.policy === undefined ? undefined : compileCondition(document.policy);
  if (condition !== undefined && isConditionProblem(condition))
    throw new CogmeshError('invalid_policy', `policy "${document.id}": ${condition.message}`);
  return {
    id: document.id,
    domain,
    position,
    effect: document.effect,
    permissions: shared(document.permissions),
    resources: document.resources,
    condition,
    reads: condition?.reads ?? readsNothing,
    obligations: document.obligations ?? noObligations,
    ownSubjectsOnly: document.effect === 'allow' && condition?.readsRoles === true && !condition.namesOrganisation,
  };
}

/** Most rules name one of a few lists of actions; one copy of each stays close to the processor. */
const lists = new Map<string, readonly string[]>();

function shared(permissions: readonly string[]): readonly string[] {
  if (permissions.length > 4) return permissions;
  const key = permissions.join(' ');
  const known = lists.get(key);
  if (known !== undefined) return known;
  if (lists.size < limits.sharedLists) lists.set(key, permissions);
  return permissions;
}

export function coversAction(rule: Rule, action: string): boolean {
  return rule.permissions.includes(action) || rule.permissions.includes('*');
}

export function coversPath(rule: Rule, segments: readonly string[]): boolean {
  return rule.resources.some((text) => compileGlob(text).matches(segments));
}

/** Whether the rule, had it `outcome`, counts towards its effect. */
export function counts(rule: Rule, outcome: Outcome): boolean {
  return outcome === 'matched' || (outcome === 'failed' && rule.effect === 'deny');
}

/** Judges the condition for a rule that covers the request. */
export function judge(rule: Rule, { facts, foreign, rolesInDoubt }: Hearing): Verdict {
  const { condition } = rule;
  if (condition === undefined) return unconditional;
  if (foreign && rule.ownSubjectsOnly) return ownSubjectsOnly;
  const verdict = condition.readsRole ? judgeRoles(rule, condition, facts) : tried(condition, facts);
  const doubted = rolesInDoubt !== undefined && rule.effect === 'deny' && condition.readsRoles;
  return doubted && verdict.outcome === 'skipped' ? inDoubt(rolesInDoubt) : verdict;
}

const unconditional: Verdict = { outcome: 'matched', detail: () => 'no condition' };
const noRole: Verdict = { outcome: 'skipped', detail: () => 'the subject has no role' };
const ownSubjectsOnly: Verdict = {
  outcome: 'skipped',
  detail: () => "reads role without org_id or issuer, so it applies to its own organisation's subjects only",
};

/** A role that could not be decided about might be the one that the rule denies. */
function inDoubt(why: string): Verdict {
  return { outcome: 'failed', detail: () => `condition failed: ${why}` };
}

/** With no role an allow rule about roles is skipped and a deny rule is tried with the empty role, so neither opens. */
function judgeRoles(rule: Rule, condition: Condition, facts: Facts): Verdict {
  if (facts.roles.length === 0 && rule.effect === 'allow') return noRole;
  let failure: Verdict | undefined;
  for (const role of facts.roles.length === 0 ? [''] : facts.roles) {
    facts.role = role;
    const verdict = tried(condition, facts);
    if (verdict.outcome === 'matched')
      return { outcome: 'matched', detail: () => `condition true with role "${role}"` };
    if (verdict.outcome === 'failed') failure = verdict;
  }
  const { roles } = facts;
  return failure ?? { outcome: 'skipped', detail: () => `condition false with every role (${roles.join(', ')})` };
}

const conditionTrue: Verdict = { outcome: 'matched', detail: () => 'condition true' };
const conditionFalse: Verdict = { outcome: 'skipped', detail: () => 'condition false' };

function tried(condition: Condition, facts: Facts): Verdict {
  try {
    return condition.evaluate(facts) ? conditionTrue : conditionFalse;
  } catch (thrown) {
    return { outcome: 'failed', detail: () => `condition failed: ${evaluationErrorText(thrown)}` };
  }
}
