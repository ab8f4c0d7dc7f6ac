import type { Rules } from './rules.js';

/** Rules that are held against the same value as the ones they stand in. */
function besides(rules: Rules): readonly Rules[] {
  const { allOf = [], anyOf = [], oneOf = [], dependentSchemas } = rules;
  const single = [rules.not, rules.if, rules.then, rules.else].filter((each) => each !== undefined);
  return [...allOf, ...anyOf, ...oneOf, ...single, ...(dependentSchemas?.values() ?? [])];
}

/** Rules that are held against values inside the value. */
function inside(rules: Rules): readonly Rules[] {
  const { prefixItems = [], patternProperties = [], properties } = rules;
  const single = [rules.items, rules.contains, rules.additionalProperties, rules.propertyNames];
  return [
    ...prefixItems,
    ...patternProperties.map(([, each]) => each),
    ...(properties?.values() ?? []),
    ...single.filter((each) => each !== undefined),
  ];
}

/** Whether somewhere rules lead back to themselves without going into the value: checking would never end. */
export function standsStill(root: Rules): boolean {
  const seen = new Set<Rules>();
  const open: Rules[] = [root];
  for (let rules = open.pop(); rules !== undefined; rules = open.pop()) {
    if (seen.has(rules)) continue;
    seen.add(rules);
    open.push(...besides(rules), ...inside(rules));
  }
  return hasCircle(seen);
}

/** Takes away whatever leads nowhere further, until nothing does: what is left turns in circles. */
function hasCircle(all: ReadonlySet<Rules>): boolean {
  const waiting = new Map<Rules, number>();
  const before = new Map<Rules, Rules[]>();
  for (const rules of all) {
    const next = besides(rules);
    waiting.set(rules, next.length);
    for (const each of next)
      before
        .set(each, before.get(each) ?? [])
        .get(each)
        ?.push(rules);
  }
  const done = [...all].filter((rules) => waiting.get(rules) === 0);
  let count = 0;
  for (let rules = done.pop(); rules !== undefined; rules = done.pop()) {
    count += 1;
    for (const each of before.get(rules) ?? []) {
      const left = (waiting.get(each) ?? 0) - 1;
      waiting.set(each, left);
      if (left === 0) done.push(each);
    }
  }
  return count < all.size;
}
