/** Policies of a set that was read before, found again by their id: most changes of a large set are small ones. */
import type { PolicyDocument } from './types.js';

export class KnownPolicies {
  readonly #byId: ReadonlyMap<string, PolicyDocument>;

  constructor(policies: readonly PolicyDocument[] = []) {
    this.#byId = new Map(policies.map((policy) => [policy.id, policy]));
  }

  /** The policy that this JSON says, if it says one of these. */
  find(json: unknown): PolicyDocument | undefined {
    if (this.#byId.size === 0 || !isObject(json) || typeof json['id'] !== 'string') return undefined;
    const known = this.#byId.get(json['id']);
    return known !== undefined && says(json, known) ? known : undefined;
  }
}

/** What a policy does not say of its effect is `allow`; everything else it says in full. */
function says(json: Members, known: PolicyDocument): boolean {
  const members = known as unknown as Members;
  const names = Object.keys(members);
  const silent = json['effect'] === undefined && !Object.hasOwn(json, 'effect') && known.effect === 'allow' ? 1 : 0;
  if (Object.keys(json).length !== names.length - silent) return false;
  return names.every((name) => (silent === 1 && name === 'effect') || isSame(json[name], members[name]));
}

type Members = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Whether two JSON values are one, whatever the order of members. */
function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a))
    return Array.isArray(b) && a.length === b.length && a.every((item, i) => isSame(item, b[i] as unknown));
  if (!isObject(a) || !isObject(b)) return false;
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length && names.every((name) => Object.hasOwn(b, name) && isSame(a[name], b[name]))
  );
}
