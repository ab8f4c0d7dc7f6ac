/** A rule as the linter looks at it, and the form of what it says. */
import type { PolicyDocument, PolicySet } from '../types.js';
import { readCondition, type ConditionReading } from './condition-reading.js';
import { globsCover } from './glob-cover.js';

export type LintCode = 'unreachable' | 'shadowed' | 'over-broad' | 'cross-organisation' | 'unknown-role' | 'fragile';

export interface Finding {
  readonly code: LintCode;
  readonly severity: 'error' | 'warning' | 'notice';
  /** Id of the rule. */
  readonly policy: string;
  /** Place of the rule in `policies`, from 0. */
  readonly position: number;
  /** Field of the rule that is meant: `policy`, `permissions`, `resources`, or empty for the rule as a whole. */
  readonly field: string;
  readonly message: string;
  /** What to do about it. */
  readonly advice: string;
}

export interface LintedRule {
  readonly document: PolicyDocument;
  readonly position: number;
  readonly condition: ConditionReading;
  readonly readsRoles: boolean;
  readonly namesOrganisation: boolean;
  /** As in rule.ts: an allow rule about roles that does not say whose. */
  readonly ownSubjectsOnly: boolean;
}

export interface LintContext {
  readonly set: PolicySet;
  readonly rules: readonly LintedRule[];
  readonly organisation?: string;
  readonly grantees?: ReadonlySet<string>;
}

export function lintedRules({ policies }: PolicySet): LintedRule[] {
  return policies.map((document, position) => {
    const condition = readCondition(document.policy);
    const readsRoles = condition.names.has('role') || condition.names.has('roles');
    const namesOrganisation = condition.names.has('org_id') || condition.names.has('issuer');
    const ownSubjectsOnly = document.effect === 'allow' && readsRoles && !namesOrganisation;
    return { document, position, condition, readsRoles, namesOrganisation, ownSubjectsOnly };
  });
}

/** Whether `wide` speaks about every request that `narrow` does, and holds (or fails, for a deny) whenever `narrow` holds. */
export function coversRule(wide: LintedRule, narrow: LintedRule): boolean {
  const a = wide.document;
  const b = narrow.document;
  if (wide.ownSubjectsOnly && !narrow.ownSubjectsOnly) return false;
  if (!a.permissions.includes('*') && !b.permissions.every((action) => a.permissions.includes(action))) return false;
  if (!globsCover(a.resources, b.resources)) return false;
  // A binding that fails makes the deny rules that read roles deny, whatever else they say.
  const alwaysDenies = wide.condition.parts.size === 0;
  if (b.effect === 'deny' && narrow.readsRoles && !wide.readsRoles && !alwaysDenies) return false;
  if (a.effect === b.effect && !sameObligations(a, b)) return false;
  return [...wide.condition.parts].every((part) => narrow.condition.parts.has(part));
}

/** Without obligations of its own, or with the very same ones. */
function sameObligations(a: PolicyDocument, b: PolicyDocument): boolean {
  const own = b.obligations ?? [];
  return own.length === 0 || JSON.stringify(own) === JSON.stringify(a.obligations ?? []);
}

export const listed = (names: readonly string[]): string => {
  const quoted = names.map((name) => `"${name}"`);
  return quoted.length < 2 ? quoted.join('') : `${quoted.slice(0, -1).join(', ')} and ${quoted.at(-1) ?? ''}`;
};
