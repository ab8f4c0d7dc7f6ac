/**
 * Role inheritance of one organisation. `operator: { inherits: [reader] }` gives every operator the rights of reader.
 * A subject's roles are always expanded by its own organisation's table, whoever's rules are being judged.
 */
import { CogmeshError } from '@cogmesh/errors';
import { limits } from './limits.js';

export type RoleTable = ReadonlyMap<string, readonly string[]>;

/** One organisation's table with what each of its roles comes to, found when first asked for. */
export class RoleBook {
  readonly #table: RoleTable;
  readonly #closures = new Map<string, readonly string[]>();

  constructor(table: RoleTable) {
    this.#table = table;
  }

  /** The given roles and everything they inherit, each once. `invalid_argument` beyond the limit. */
  effective(roles: readonly string[]): readonly string[] {
    const [first, ...others] = roles;
    if (first === undefined) return roles;
    const found =
      others.length === 0 ? this.#closure(first) : [...new Set(roles.flatMap((role) => this.#closure(role)))];
    if (found.length <= limits.effectiveRoles) return found;
    const message = `a subject may have at most ${String(limits.effectiveRoles)} effective roles`;
    throw new CogmeshError('invalid_argument', message);
  }

  #closure(role: string): readonly string[] {
    const known = this.#closures.get(role);
    if (known !== undefined) return known;
    const found = new Set([role]);
    for (const each of found) for (const inherited of this.#table.get(each) ?? []) found.add(inherited);
    const closure = [...found];
    // A name that the table does not have is a stranger's to choose, and there is no end of them.
    if (this.#table.has(role)) this.#closures.set(role, closure);
    return closure;
  }
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
