/**
 * What limits and pauses apply to, as one text each: an organisation, a capability in any version, or a concurrency group
 * that an organisation's tasks name. Names hold no spaces.
 */
export type LimitedKind = 'organisation' | 'capability' | 'group';

export interface ScopeName {
  readonly kind: LimitedKind;
  /** Owner of a group, the organisation itself; empty for a capability, which belongs to the whole mesh. */
  readonly organisation: string;
  readonly name: string;
}

/** What of a task decides which scopes it is in. */
export interface Scoped {
  readonly organisation: string;
  /** Its canonical `uses`. */
  readonly group: string;
  readonly concurrencyGroup?: string | undefined;
}

export const organisationScope = (organisation: string): string => `organisation ${organisation}`;
export const capabilityScope = (uses: string): string => `capability ${capabilityName(uses)}`;
export const groupScope = (organisation: string, name: string): string => `group ${organisation} ${name}`;

/** `model:acme/read@^4` -> `model:acme/read`. */
export function capabilityName(uses: string): string {
  const at = uses.indexOf('@');
  return at < 0 ? uses : uses.slice(0, at);
}

export function scopeKey({ kind, organisation, name }: ScopeName): string {
  if (kind === 'organisation') return organisationScope(name);
  return kind === 'capability' ? capabilityScope(name) : groupScope(organisation, name);
}

/** The opposite of `scopeKey`. */
export function scopeNameOf(key: string): ScopeName {
  const [kind, first = '', second = ''] = key.split(' ');
  if (kind === 'group') return { kind, organisation: first, name: second };
  if (kind === 'capability') return { kind, organisation: '', name: first };
  return { kind: 'organisation', organisation: first, name: first };
}

/** Every scope a task is in, the narrowest first. */
export function scopesOf({ organisation, group, concurrencyGroup }: Scoped): string[] {
  const wide = [organisationScope(organisation), capabilityScope(group)];
  return concurrencyGroup === undefined ? wide : [groupScope(organisation, concurrencyGroup), ...wide];
}
