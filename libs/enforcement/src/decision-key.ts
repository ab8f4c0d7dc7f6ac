/**
 * The cache key of a decision: every field the decision read, each behind its length, so that no two different requests share a
 * key whatever their strings contain. Order and presence are part of the key; the attributes' members are sorted.
 */
import type { AccessSubject } from '@cogmesh/policy-core';

/** Raised when the decision engine starts to decide differently. */
export const engineVersion = 1;

export interface DecisionKeyFields {
  readonly callerEpoch: number;
  readonly ownerEpoch: number;
  readonly owner: string;
  readonly subject: AccessSubject;
  readonly action: string;
  /** Canonical path. */
  readonly resource: string;
}

/** Injective: equal keys mean equal fields. Roles count as a set. */
export function decisionKey(fields: DecisionKeyFields): string {
  const { subject } = fields;
  const roles = [...new Set(subject.roles)].sort();
  return list([
    String(engineVersion),
    String(fields.callerEpoch),
    String(fields.ownerEpoch),
    fields.owner,
    subject.issuer,
    subject.sub,
    subject.organisation,
    list(roles),
    canonicalJson(subject.attributes),
    fields.action,
    fields.resource,
  ]);
}

const list = (items: readonly string[]): string =>
  `${items.length}[${items.map((item) => `${item.length}:${item}`).join('')}]`;

/** JSON with members sorted by name at every depth. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`).join(',')}}`;
}
