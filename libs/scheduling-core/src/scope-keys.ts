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
  /** What it needs: its canonical `uses`, and more after a line break. */
  readonly group: string;
  readonly concurrencyGroup?: string | undefined;
}

export const organisationScope = (organisation: string): string => `organisation ${organisation}`;
export const capabilityScope = (need: string): string => `capability ${capabilityName(need)}`;
export const groupScope = (organisation: string, name: string): string => `group ${organisation} ${name}`;

/** `model:acme/read@^4` -> `model:acme/read`; what a second line asks for besides is no part of it either. */
export function capabilityName(need: string): string {
  return /^[^@\n]*/.exec(need)?.[0] ?? need;
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
