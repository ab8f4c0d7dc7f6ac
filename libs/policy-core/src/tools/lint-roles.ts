/** Roles that nobody can have, and conditions that fail where something is absent. */
import { listed, type Finding, type LintContext, type LintedRule } from './linted-rule.js';

export function roleFindings(context: LintContext): Finding[] {
  return context.rules.flatMap((rule) => [...unknownRoles(rule, context), ...fragile(rule)]);
}

/** Only for rules about the set's own subjects, and only where the set lists its roles: others list theirs elsewhere. */
function unknownRoles({ document, position, condition }: LintedRule, { set, organisation }: LintContext): Finding[] {
  const known = Object.keys(set.roles);
  const organisations = condition.only.get('org_id');
  const own = organisations === undefined || organisations.every((name) => name === organisation);
  const unknown = condition.rolesNamed.filter((role) => !known.includes(role));
  if (known.length === 0 || !own || unknown.length === 0) return [];
  const near = unknown.map((role) => nearest(role, known)).find((name) => name !== undefined);
  return [
    {
      code: 'unknown-role',
      severity: 'warning',
      policy: document.id,
      position,
      field: 'policy',
      message: `${listed(unknown)} ${unknown.length > 1 ? 'are' : 'is'} not in the roles of the set`,
      advice: near === undefined ? 'add it to roles, or correct the name' : `did you mean "${near}"?`,
    },
  ];
}

function fragile({ document, position, condition }: LintedRule): Finding[] {
  if (document.effect === 'allow' || condition.unguarded.length === 0) return [];
  const [first = ''] = condition.unguarded;
  return [
    {
      code: 'fragile',
      severity: 'warning',
      policy: document.id,
      position,
      field: 'policy',
      message: `a request without ${condition.unguarded.join(', ')} is denied: the condition fails, and a denial that fails denies`,
      advice: `write has(${first}) && … if that is not meant`,
    },
  ];
}

/** The known name at most two edits away. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const [best] = known
    .map((candidate) => ({ candidate, edits: editsBetween(name, candidate) }))
    .filter(({ edits }) => edits <= 2)
    .sort((a, b) => a.edits - b.edits);
  return best?.candidate;
}

function editsBetween(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min(
        (row[j] ?? 0) + 1,
        (next[j - 1] ?? 0) + 1,
        (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1),
      );
    row = next;
  }
  return row[b.length] ?? 0;
}
