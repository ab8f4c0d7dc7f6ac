/**
 * Which caller-sent properties count: those named in the configuration, one by one, for every organisation or for one. An
 * entry is `<subject|resource|action|context>.<name>`, with `<organisation>/` in front where only that organisation's
 * enforcement points may send it. `*` as a name is every name but a subject's roles, which have to be listed. Names that the
 * issuer registry answers for can never be listed, and no `*` stands for them.
 */
import { CogmeshError } from '@cogmesh/errors';
import type { JsonObject } from './i-json.js';

/** What the registry says about a subject, and what the gateway itself puts into the context. */
const reserved = new Set([
  ...['sub', 'id', 'type', 'issuer', 'iss', 'organisation', 'organization', 'org', 'org_id'].map((n) => `subject.${n}`),
  'context.action',
]);

/** What `*` does not stand for. */
const listedOnly = new Set([...reserved, 'subject.roles']);

export interface PropertyNames {
  /** The members of `sent` that count; null counts as absent. */
  pick(kind: PropertyKind, sent: JsonObject): JsonObject;
}

const none: JsonObject = {};

/** For whoever is no enforcement point. */
export const noProperties: PropertyNames = { pick: () => none };

const kinds = ['subject', 'resource', 'action', 'context'] as const;
type PropertyKind = (typeof kinds)[number];
type NamesByKind = Readonly<Record<PropertyKind, ReadonlySet<string>>>;

export class AllowedProperties {
  readonly #forAll: PropertyNames;
  /** Of organisations with entries of their own. */
  readonly #byOrganisation: ReadonlyMap<string, PropertyNames>;

  /** Comma-separated entries; `invalid_config` for one that is not of the form or names what is reserved. */
  constructor(list: string) {
    const texts = list.split(',').map((part) => part.trim());
    const entries = texts.filter((text) => text !== '').map(parseEntry);
    const namesOf = (organisation: string) =>
      namesAmong(entries.filter((entry) => entry.organisation === '' || entry.organisation === organisation));
    this.#forAll = namesOf('');
    this.#byOrganisation = new Map(entries.map(({ organisation }) => [organisation, namesOf(organisation)]));
  }

  of(organisation: string): PropertyNames {
    return this.#byOrganisation.get(organisation) ?? this.#forAll;
  }
}

interface Entry {
  readonly organisation: string;
  readonly kind: PropertyKind;
  readonly name: string;
}

function parseEntry(text: string): Entry {
  const { organisation = '', kind, name = '' } = entryForm.exec(text)?.groups ?? {};
  if (kind === undefined)
    throw refusal(text, 'is not <subject|resource|action|context>.<name>, perhaps with <organisation>/ in front');
  if (reserved.has(`${kind}.${name}`))
    throw refusal(text, 'is what the issuer registry or the gateway says, not a caller');
  return { organisation, kind: kind as PropertyKind, name };
}

function namesAmong(entries: readonly Entry[]): PropertyNames {
  if (entries.length === 0) return noProperties;
  const ofKind = (wanted: PropertyKind) =>
    new Set(entries.filter(({ kind }) => kind === wanted).map(({ name }) => name));
  const names = Object.fromEntries(kinds.map((kind) => [kind, ofKind(kind)])) as unknown as NamesByKind;
  const allows = (kind: PropertyKind, name: string) =>
    names[kind].has(name) || (names[kind].has('*') && !listedOnly.has(`${kind}.${name}`));
  return { pick: (kind, sent) => pick(sent, (name) => allows(kind, name)) };
}

function pick(sent: JsonObject, allows: (name: string) => boolean): JsonObject {
  let picked: Record<string, unknown> | undefined;
  for (const name in sent) {
    if (sent[name] === null || !allows(name)) continue;
    picked ??= {};
    // A plain assignment to `__proto__` would set the prototype.
    if (name === '__proto__') Object.defineProperty(picked, name, { value: sent[name], enumerable: true });
    else picked[name] = sent[name];
  }
  return picked ?? none;
}

const entryForm =
  /^(?:(?<organisation>[A-Za-z0-9][A-Za-z0-9._-]{0,62})\/)?(?<kind>subject|resource|action|context)\.(?<name>[^\s,]{1,128})$/;

const refusal = (entry: string, problem: string): CogmeshError =>
  new CogmeshError('invalid_config', `COGMESH_AUTHZEN_PROPERTIES: ${JSON.stringify(entry)} ${problem}`);
