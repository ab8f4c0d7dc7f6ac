/**
 * Role inheritance of one organisation. `operator: { inherits: [reader] }` gives every operator the rights of reader.
 * A subject's roles are always expanded by its own organisation's table, whoever's rules are being judged.
 */
import { CogmeshError } from '@cogmesh/errors';
import { limits } from './limits.js';

export type RoleTable = ReadonlyMap<string, readonly string[]>;

/** The given roles and everything they inherit, in order of discovery. `invalid_argument` beyond the limit. */
export function effectiveRoles(roles: readonly string[], table: RoleTable): string[] {
  const found = new Set(roles);
  for (const role of found) for (const inherited of table.get(role) ?? []) found.add(inherited);
  if (found.size > limits.effectiveRoles)
    throw new CogmeshError(
      'invalid_argument',
      `a subject may have at most ${String(limits.effectiveRoles)} effective roles`,
    );
  return [...found];
}

/** One cycle as `a > b > a`, or undefined. */
export function roleCycle(table: RoleTable): string | undefined {
  const done = new Set<string>();
  for (const start of table.keys()) {
    const cycle = cycleFrom(start, table, done);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

/** Depth first with its own stack: the table may be a chain as long as the limit. */
function cycleFrom(start: string, table: RoleTable, done: Set<string>): string | undefined {
  const path: { role: string; next: number }[] = [{ role: start, next: 0 }];
  const onPath = new Set([start]);
  for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
    const inherited = done.has(top.role) ? undefined : table.get(top.role)?.[top.next++];
    if (inherited === undefined) {
      done.add(top.role);
      onPath.delete(top.role);
      path.pop();
    } else if (onPath.has(inherited)) {
      const roles = path.map((step) => step.role);
      return [...roles.slice(roles.indexOf(inherited)), inherited].join(' > ');
    } else {
      onPath.add(inherited);
      path.push({ role: inherited, next: 0 });
    }
  }
  return undefined;
}
