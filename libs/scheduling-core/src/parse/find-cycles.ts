/** One cycle of a dependency graph, named in order, or undefined. Iterative: a chain may be 10,000 long. */
export function findCycle(dependsOf: ReadonlyMap<string, readonly string[]>): readonly string[] | undefined {
  const finished = new Set<string>();
  for (const root of dependsOf.keys()) {
    const cycle = finished.has(root) ? undefined : searchFrom(root, dependsOf, finished);
    if (cycle) return cycle;
  }
  return undefined;
}

function searchFrom(
  root: string,
  dependsOf: ReadonlyMap<string, readonly string[]>,
  finished: Set<string>,
): readonly string[] | undefined {
  const path: { readonly id: string; next: number }[] = [{ id: root, next: 0 }];
  const onPath = new Set([root]);
  for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
    const child = dependsOf.get(top.id)?.[top.next];
    top.next += 1;
    if (child === undefined) {
      finished.add(top.id);
      onPath.delete(top.id);
      path.pop();
    } else if (onPath.has(child)) {
      const ids = path.map((step) => step.id);
      return [...ids.slice(ids.indexOf(child)), child];
    } else if (!finished.has(child)) {
      path.push({ id: child, next: 0 });
      onPath.add(child);
    }
  }
  return undefined;
}
