/**
 * What changed between two policy sets, rule by rule, by id. Order means nothing to a decision, so a rule that moved is no
 * change, and neither is another order of its permissions or resources.
 */
import { isDeepStrictEqual } from 'node:util';
import type { PolicyDocument, PolicySet } from '../types.js';

export interface FieldChange {
  readonly field: string;
  /** JSON values; absent where the field was not there. */
  readonly before?: unknown;
  readonly after?: unknown;
  /** Of a list: what came and what went. */
  readonly added?: readonly unknown[];
  readonly removed?: readonly unknown[];
}

export interface Change {
  readonly kind: 'added' | 'removed' | 'changed';
  readonly section: 'policy' | 'role' | 'grant' | 'binding' | 'topology' | 'entity';
  /** Id of the rule or binding, name of the role, organisation list or entity; of a grant its place, from 0. */
  readonly id: string;
  /** Of a change; empty for what was added or removed as a whole. */
  readonly fields: readonly FieldChange[];
  /** Whether it can only take rights away, only give some, or either. */
  readonly effect: 'widens' | 'narrows' | 'either' | 'none';
}

/** In the order: policies, roles, bindings, topology, entities, grants; within each as the newer set has them. */
export function diffPolicySets(before: PolicySet, after: PolicySet): Change[] {
  return [
    ...keyed('policy', byId(before.policies), byId(after.policies)),
    ...keyed('role', Object.entries(before.roles), Object.entries(after.roles)),
    ...keyed('binding', byId(before.bindings ?? []), byId(after.bindings ?? [])),
    ...keyed('topology', Object.entries(before.topology ?? {}), Object.entries(after.topology ?? {})),
    ...keyed('entity', Object.entries(before.entities ?? {}), Object.entries(after.entities ?? {})),
    ...grantChanges(before.grants, after.grants),
  ];
}

function byId<Item extends { readonly id: string }>(items: readonly Item[]): [string, Item][] {
  return items.map((item) => [item.id, item]);
}

function keyed(
  section: Change['section'],
  before: readonly (readonly [string, unknown])[],
  after: readonly (readonly [string, unknown])[],
): Change[] {
  const old = new Map(before);
  const kept = new Set(after.map(([id]) => id));
  const gone = before.filter(([id]) => !kept.has(id));
  return [
    ...gone.map(([id, value]) => change({ kind: 'removed', section, id, fields: [] }, value)),
    ...after.flatMap(([id, value]) => {
      if (!old.has(id)) return [change({ kind: 'added', section, id, fields: [] }, value)];
      const fields = fieldChanges(old.get(id), value);
      return fields.length === 0 ? [] : [change({ kind: 'changed', section, id, fields }, value)];
    }),
  ];
}

function change(about: Omit<Change, 'effect'>, value: unknown): Change {
  return { ...about, effect: effectOf(about, value) };
}

/** What is not a record (a list of the topology) has one field without a name. */
function fieldChanges(before: unknown, after: unknown): FieldChange[] {
  if (!isRecord(before) || !isRecord(after)) return compared('', before, after);
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].filter((name) => name !== 'id').flatMap((name) => compared(name, before[name], after[name]));
}

function compared(field: string, before: unknown, after: unknown): FieldChange[] {
  if (!Array.isArray(before) || !Array.isArray(after)) {
    if (isDeepStrictEqual(before, after)) return [];
    return [{ field, ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) }];
  }
  const added = missingFrom(before as unknown[], after as unknown[]);
  const removed = missingFrom(after as unknown[], before as unknown[]);
  return added.length + removed.length === 0 ? [] : [{ field, added, removed }];
}

function missingFrom(list: readonly unknown[], items: readonly unknown[]): unknown[] {
  return items.filter((item) => !list.some((one) => isDeepStrictEqual(one, item)));
}

function grantChanges(before: readonly string[], after: readonly string[]): Change[] {
  const gone = before.flatMap((jws, i) => (after.includes(jws) ? [] : [grantChange('removed', i)]));
  return [...gone, ...after.flatMap((jws, i) => (before.includes(jws) ? [] : [grantChange('added', i)]))];
}

const grantChange = (kind: 'added' | 'removed', i: number): Change => ({
  kind,
  section: 'grant',
  id: String(i),
  fields: [],
  effect: kind === 'added' ? 'widens' : 'narrows',
});

function effectOf({ kind, section, fields }: Omit<Change, 'effect'>, value: unknown): Change['effect'] {
  // Deny rules read roles, topology and entities too, so one more of these may also take a right away.
  return section === 'policy' ? effectOfRule(kind, fields, value as PolicyDocument) : 'either';
}

function effectOfRule(kind: Change['kind'], fields: readonly FieldChange[], rule: PolicyDocument): Change['effect'] {
  const opens = rule.effect === 'allow';
  if (kind !== 'changed') return (kind === 'added') === opens ? 'widens' : 'narrows';
  if (fields.every(({ field }) => field === 'description')) return 'none';
  const lists = fields.filter(({ field }) => field !== 'description');
  if (lists.some(({ field }) => field !== 'permissions' && field !== 'resources')) return 'either';
  const grows = lists.some(({ added = [] }) => added.length > 0);
  const shrinks = lists.some(({ removed = [] }) => removed.length > 0);
  if (grows && shrinks) return 'either';
  return grows === opens ? 'widens' : 'narrows';
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
