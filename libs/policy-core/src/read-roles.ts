/** Reads the roles of a set, how they inherit, and the bindings that give them to subjects. */
import type { DocumentReader } from './document-reader.js';
import { limits } from './limits.js';
import { idPattern, rolePattern } from './names.js';
import { readCondition } from './read-policy.js';
import { roleCycle } from './roles.js';
import type { BoundSubject, PolicySet, RoleBinding } from './types.js';

export function readRoles(reader: DocumentReader, json: unknown): PolicySet['roles'] {
  const table = new Map<string, readonly string[]>();
  for (const [role, value] of reader.entries(json, { path: 'roles', max: limits.roles })) {
    const path = `roles.${role}`;
    if (!rolePattern.test(role))
      reader.issue(path, 'invalid_name', `${JSON.stringify(role)} does not match ${rolePattern.source}`);
    const { inherits } = reader.object(value, path, ['inherits']);
    table.set(
      role,
      reader.texts(inherits ?? [], { path: `${path}.inherits`, max: limits.inherits, min: 0, pattern: rolePattern }),
    );
  }
  checkInheritance(reader, table);
  return Object.fromEntries([...table].map(([role, inherits]) => [role, { inherits }]));
}

function checkInheritance(reader: DocumentReader, table: ReadonlyMap<string, readonly string[]>): void {
  for (const [role, inherits] of table)
    inherits.forEach((inherited, i) => {
      if (!table.has(inherited))
        reader.issue(`roles.${role}.inherits[${String(i)}]`, 'unknown_role', `no role "${inherited}" in roles`);
    });
  const cycle = roleCycle(table);
  if (cycle !== undefined) reader.issue('roles', 'role_cycle', `roles inherit in a circle: ${cycle}`);
}

export function readBindings(reader: DocumentReader, json: unknown, roles: PolicySet['roles']): RoleBinding[] {
  const bindings = reader
    .list(json, { path: 'bindings', max: limits.bindings })
    .map((item, i) => readBinding(reader, item, { path: `bindings[${String(i)}]`, roles }));
  const ids = bindings.map(({ id }, i) => ({ value: id, path: `bindings[${String(i)}]` }));
  reader.unique(ids, 'id');
  return bindings;
}

function readBinding(
  reader: DocumentReader,
  json: unknown,
  { path, roles }: { path: string; roles: PolicySet['roles'] },
): RoleBinding {
  const fields = reader.object(json, path, ['id', 'role', 'subjects', 'when']);
  const id = reader.optionalText(fields.id ?? null, { path: `${path}.id`, pattern: idPattern }) ?? path;
  const role = reader.optionalText(fields.role ?? null, { path: `${path}.role`, pattern: rolePattern }) ?? '';
  if (role !== '' && !Object.hasOwn(roles, role))
    reader.issue(`${path}.role`, 'unknown_role', `no role "${role}" in roles`);
  const subjects = reader
    .list(fields.subjects, { path: `${path}.subjects`, min: 1, max: limits.boundSubjects })
    .map((item, i) => readSubject(reader, item, `${path}.subjects[${String(i)}]`));
  const when = readCondition(reader, fields.when, { path: `${path}.when`, place: 'binding' });
  return { id, role, subjects, ...(when === undefined ? {} : { when }) };
}

function readSubject(reader: DocumentReader, json: unknown, path: string): BoundSubject {
  const fields = reader.object(json, path, ['issuer', 'sub']);
  const name = { maxChars: limits.subjectChars, pattern: /^./u };
  const sub = reader.optionalText(fields.sub ?? null, { path: `${path}.sub`, ...name }) ?? '';
  const issuer = reader.optionalText(fields.issuer, { path: `${path}.issuer`, ...name });
  return issuer === undefined ? { sub } : { issuer, sub };
}
