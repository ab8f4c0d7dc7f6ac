/**
 * What a policy set names: the subjects, resources and actions that a search tries. It may name too many, since each is
 * decided before it is told, and never sees another organisation's set.
 */
import { foreignResource, parseResourcePath, pathProblem, type PolicySet } from '@cogmesh/policy-core';

export interface Named {
  /** `<type>:<id>` of entities and literal paths, by type. */
  readonly resources: ReadonlyMap<string, ReadonlySet<string>>;
  /** `sub` of whoever is bound, described as an entity, or written in a condition that reads `sub`. */
  readonly subjects: ReadonlySet<string>;
  readonly actions: ReadonlySet<string>;
}

/** What `*` stands for when somebody asks what may be done. */
const commonActions = ['create', 'read', 'list', 'cancel', 'infer', 'serve', 'write', 'approve'];

const named = new WeakMap<PolicySet, Named>();

/** Found once per set. */
export function namedBy(set: PolicySet): Named {
  let found = named.get(set);
  if (found === undefined) named.set(set, (found = gather(set)));
  return found;
}

function gather(set: PolicySet): Named {
  const resources = new Map<string, Set<string>>();
  const add = (type: string, id: string) => resources.set(type, (resources.get(type) ?? new Set()).add(id));
  for (const name of Object.keys(set.entities ?? {})) {
    const colon = name.indexOf(':');
    add(name.slice(0, colon), name.slice(colon + 1));
  }
  for (const path of literalPaths(set)) {
    const { type, id } = parseResourcePath(path);
    add(type, id);
    const foreign = foreignResource(path);
    if (foreign !== undefined) add(foreign.type, foreign.id);
  }
  return { resources, subjects: subjectsOf(set, resources), actions: actionsOf(set) };
}

function literalPaths(set: PolicySet): string[] {
  const written = set.policies.flatMap(({ policy, resources }) => [
    ...resources,
    ...(policy?.includes('resource.path') === true ? textsIn(policy) : []),
  ]);
  return written.filter((path) => pathProblem(path) === undefined);
}

function subjectsOf(set: PolicySet, resources: ReadonlyMap<string, ReadonlySet<string>>): Set<string> {
  const bindings = set.bindings ?? [];
  const conditions = [...set.policies.map(({ policy }) => policy), ...bindings.map(({ when }) => when)];
  return new Set([
    ...bindings.flatMap(({ subjects }) => subjects.map(({ sub }) => sub)),
    ...(resources.get('user') ?? []),
    ...conditions.flatMap((text) => (text !== undefined && /\bsub\b/.test(text) ? textsIn(text) : [])),
  ]);
}

function actionsOf(set: PolicySet): Set<string> {
  const written = set.policies.flatMap(({ permissions }) => permissions).filter((action) => action !== '*');
  return new Set([...commonActions, ...written]);
}

/** String literals without escapes: what has one is no name that anybody would search for. */
function textsIn(condition: string): string[] {
  return [...condition.matchAll(/'([^'\\\n]*)'|"([^"\\\n]*)"/g)].map(([, single, double]) => single ?? double ?? '');
}
