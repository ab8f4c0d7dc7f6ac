/**
 * Which caller-sent properties count: those named in the configuration, one by one, for every organisation or for one. An
 * entry is `<subject|resource|action|context>.<name>`, with `<organisation>/` in front where only that organisation's
 * enforcement points may send it. `*` as a name is every name but a subject's roles, which have to be listed. Names that the
 * issuer registry answers for can never be listed, and no `*` stands for them.
 */
import { CogmeshError } from '@cogmesh/errors';
import type { JsonObject } from './i-json.js';

type PropertyKind = 'subject' | 'resource' | 'action' | 'context';

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

export class AllowedProperties {
  readonly #byOrganisation = new Map<string, Set<string>>();

  /** Comma-separated entries; `invalid_config` for one that is not of the form or names what is reserved. */
  constructor(list: string) {
    for (const entry of list.split(',').map((part) => part.trim())) if (entry !== '') this.#add(entry);
  }

  of(organisation: string): PropertyNames {
    const sets = [this.#byOrganisation.get(''), this.#byOrganisation.get(organisation)];
    const known = sets.filter((set) => set !== undefined);
    if (known.length === 0) return noProperties;
    const allows = (kind: PropertyKind, name: string) => {
      const property = `${kind}.${name}`;
      return known.some((set) => set.has(property) || (set.has(`${kind}.*`) && !listedOnly.has(property)));
    };
    return {
      pick: (kind, sent) => {
        const picked = Object.entries(sent).filter(([name, value]) => value !== null && allows(kind, name));
        return picked.length === 0 ? none : Object.fromEntries(picked);
      },
    };
  }

  #add(entry: string): void {
    const { organisation = '', kind, name } = entryForm.exec(entry)?.groups ?? {};
    const property = `${kind}.${name}`;
    if (kind === undefined)
      throw refusal(entry, 'is not <subject|resource|action|context>.<name>, perhaps with <organisation>/ in front');
    if (reserved.has(property)) throw refusal(entry, 'is what the issuer registry or the gateway says, not a caller');
    const names = this.#byOrganisation.get(organisation) ?? new Set();
    this.#byOrganisation.set(organisation, names.add(property));
  }
}

const entryForm =
  /^(?:(?<organisation>[A-Za-z0-9][A-Za-z0-9._-]{0,62})\/)?(?<kind>subject|resource|action|context)\.(?<name>[^\s,]{1,128})$/;

const refusal = (entry: string, problem: string): CogmeshError =>
  new CogmeshError('invalid_config', `COGMESH_AUTHZEN_PROPERTIES: ${JSON.stringify(entry)} ${problem}`);
