/** Unions of what conditions read. Most requests meet rules that read nothing, or one that does: those cost nothing. */
import type { Reads } from './types.js';

export const readsNothing: Reads = { attributes: [], context: [], resourceAttributes: [] };

export function readsAnything({ attributes, context, resourceAttributes }: Reads): boolean {
  return attributes.length > 0 || context.length > 0 || resourceAttributes.length > 0;
}

/** Each name once, sorted; `*` stands for all of a map. */
export function unionOfReads(all: readonly Reads[]): Reads {
  const some = all.filter(readsAnything);
  const [first] = some;
  if (first === undefined) return readsNothing;
  if (some.length === 1) return first;
  return {
    attributes: unionOfNames(some.map((reads) => reads.attributes)),
    context: unionOfNames(some.map((reads) => reads.context)),
    resourceAttributes: unionOfNames(some.map((reads) => reads.resourceAttributes)),
  };
}

function unionOfNames(lists: readonly (readonly string[])[]): readonly string[] {
  const some = lists.filter((list) => list.length > 0);
  const [first = []] = some;
  if (some.length < 2) return first;
  const names = new Set(some.flat());
  return names.has('*') ? ['*'] : [...names].sort();
}
