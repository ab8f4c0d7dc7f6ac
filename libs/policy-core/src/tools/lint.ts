/**
 * Finds what is valid and still probably not meant: rules that never decide, rules that another one makes superfluous,
 * rules that allow more than a person would expect, and every rule through which another organisation gets in. An error
 * or a warning here is provable from the document alone; what needs judgement is a notice.
 */
import type { PolicySet } from '../types.js';
import { breadthFindings } from './lint-breadth.js';
import { organisationFindings } from './lint-organisations.js';
import { reachFindings } from './lint-reach.js';
import { lintedRules, type Finding, type LintContext } from './linted-rule.js';
import { roleFindings } from './lint-roles.js';

export interface LintOptions {
  /** Whose set it is, when the document does not say. */
  readonly organisation?: string;
  /** Organisations that hold a grant in force; without it findings that depend on grants are not made. */
  readonly grantees?: readonly string[];
}

const rank = { error: 0, warning: 1, notice: 2 } as const;

/** Of a parsed set, the gravest first, then in document order. */
export function lintPolicySet(set: PolicySet, options: LintOptions = {}): Finding[] {
  const organisation = set.organisation ?? options.organisation;
  const context: LintContext = {
    set,
    rules: lintedRules(set),
    ...(organisation === undefined ? {} : { organisation }),
    ...(options.grantees === undefined ? {} : { grantees: new Set(options.grantees) }),
  };
  return [reachFindings, breadthFindings, organisationFindings, roleFindings]
    .flatMap((find) => find(context))
    .sort((a, b) => rank[a.severity] - rank[b.severity] || a.position - b.position);
}
