/**
 * The cache key of a decision: every field the decision read, each behind its length, so that no two different requests share a
 * key whatever their strings contain. Order and presence are part of the key. It has two parts: the question, which tells what
 * the candidate rules read, and the values of that. What nobody reads is in neither and splits no entry.
 */
import type { AccessSubject, Reads, Resource } from '@cogmesh/policy-core';

/** Raised when the decision engine starts to decide differently. */
export const engineVersion = 2;

export interface DecisionKeyFields {
  readonly callerEpoch: number;
  readonly ownerEpoch: number;
  /** Epoch of the revocations where they may take a grant away; 0 inside one organisation. */
  readonly revocations: number;
  readonly owner: string;
  readonly subject: Pick<AccessSubject, 'issuer' | 'sub' | 'organisation' | 'roles'>;
  readonly action: string;
  readonly resource: Resource;
}

type Members = Readonly<Record<string, unknown>>;

export interface ReadMaps {
  readonly attributes: Members;
  readonly context: Members;
  readonly resourceAttributes: Members;
}

/** Injective: equal keys mean equal fields, whose number is fixed. Roles count as a set. */
export function decisionKey({ subject, owner, action, resource, ...epochs }: DecisionKeyFields): string {
  const { issuer, sub, organisation } = subject;
  const { type, id } = resource;
  const roles = roleSet(subject.roles);
  const head = `${engineVersion}.${epochs.callerEpoch}.${epochs.ownerEpoch}.${epochs.revocations}.`;
  const lengths = lengthText([issuer.length, sub.length, organisation.length, roles.length, owner.length, action.length, type.length]); // prettier-ignore
  return head + lengths + issuer + sub + organisation + roles + owner + action + type + id;
}

/** A character a length where that is possible: as digits they cost as much as all the rest of a hit. */
function lengthText(lengths: readonly number[]): string {
  for (const length of lengths) if (length > 0xffff) return `\u0001${lengths.join(',')};`;
  return `\0${String.fromCharCode(...lengths)}`;
}

function roleSet(roles: readonly string[]): string {
  return list(roles.length < 2 ? roles : [...new Set(roles)].sort());
}

/** The members of a request's maps that its candidate rules read, with their values; empty when they read none. */
export function valuesRead(reads: Reads, maps: ReadMaps): string {
  if (reads.attributes.length + reads.context.length + reads.resourceAttributes.length === 0) return '';
  const attributes = valuesOf(reads.attributes, maps.attributes);
  const context = valuesOf(reads.context, maps.context);
  return item(attributes) + item(context) + item(valuesOf(reads.resourceAttributes, maps.resourceAttributes));
}

/** A member that is absent differs from each that is there. */
function valuesOf(names: readonly string[], members: Members): string {
  if (names.includes('*')) return `*${canonicalJson(members)}`;
  let text = '';
  for (const name of names)
    text += item(name) + item(Object.hasOwn(members, name) ? `=${canonicalJson(members[name])}` : '');
  return text;
}

const item = (text: string): string => `${text.length}:${text}`;

function list(items: readonly string[]): string {
  let text = `${items.length}[`;
  for (const each of items) text += item(each);
  return `${text}]`;
}

/** JSON with members sorted by name at every depth. */
export function canonicalJson(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const members = value as Members;
  let text = '';
  for (const name of Object.keys(members).sort()) {
    if (members[name] === undefined) continue;
    text += `${text === '' ? '' : ','}${JSON.stringify(name)}:${canonicalJson(members[name])}`;
  }
  return `{${text}}`;
}
