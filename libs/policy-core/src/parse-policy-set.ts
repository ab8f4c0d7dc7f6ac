/**
 * Reads a policy set from JSON and names everything that is wrong with it at once. A field that is not known is an
 * error: `"efect": "deny"` must not become an allow rule. The result is plain JSON and parses to itself again.
 */
import { CogmeshError } from '@cogmesh/errors';
import { compileCondition, isConditionProblem } from './condition.js';
import { DocumentReader } from './document-reader.js';
import { globProblem } from './glob.js';
import { limits } from './limits.js';
import { roleCycle } from './roles.js';
import type { Effect, PolicyDocument, PolicySet } from './types.js';

const organisationPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
/** `GET` and `can_read` are actions of other systems. */
const actionPattern = /^(?:[A-Za-z][A-Za-z0-9_.:-]{0,63}|\*)$/;
const rolePattern = /^[A-Za-z][A-Za-z0-9_.:-]{0,63}$/;
const idPattern = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$/;
const jwsPattern = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

/** Whether a name can be an organisation's. */
export function isOrganisationName(name: string): boolean {
  return organisationPattern.test(name);
}

/** Accepts `{ organisation, policies, roles, grants }` or a bare array of policies. Throws `invalid_policy` with every issue. */
export function parsePolicySet(json: unknown): PolicySet {
  const reader = new DocumentReader();
  const set = Array.isArray(json) ? readSet(reader, { policies: json }, '') : readSet(reader, json, 'policies');
  reader.throwIfBad();
  return set;
}

function readSet(reader: DocumentReader, json: unknown, policiesPath: string): PolicySet {
  const fields = reader.object(json, '', ['organisation', 'policies', 'roles', 'grants']);
  const organisation = reader.optionalText(fields.organisation, { path: 'organisation', pattern: organisationPattern });
  const roles = readRoles(reader, fields.roles);
  const policies = reader
    .list(fields.policies, { path: policiesPath || 'policies', max: limits.policies })
    .map((item, i) => readPolicy(reader, item, { path: `${policiesPath}[${String(i)}]`, position: i }));
  checkIds(reader, policies, policiesPath);
  const grants = reader.texts(fields.grants ?? [], { path: 'grants', max: limits.grants, min: 0, pattern: jwsPattern });
  return { ...(organisation === undefined ? {} : { organisation }), policies, roles, grants };
}

function readPolicy(
  reader: DocumentReader,
  json: unknown,
  { path, position }: { path: string; position: number },
): PolicyDocument {
  const fields = reader.object(json, path, ['id', 'description', 'policy', 'permissions', 'resources', 'effect']);
  const id = reader.optionalText(fields.id, { path: `${path}.id`, pattern: idPattern });
  const description = reader.optionalText(fields.description, {
    path: `${path}.description`,
    maxChars: limits.descriptionChars,
  });
  const policy = readCondition(reader, fields.policy, `${path}.policy`);
  const permissions = reader.texts(fields.permissions, {
    path: `${path}.permissions`,
    max: limits.permissions,
    pattern: actionPattern,
  });
  return {
    id: id ?? `policy-${String(position + 1)}`,
    ...(description === undefined ? {} : { description }),
    ...(policy === undefined ? {} : { policy }),
    permissions,
    resources: readResources(reader, fields.resources, `${path}.resources`),
    effect: readEffect(reader, fields.effect, `${path}.effect`),
  };
}

function readCondition(reader: DocumentReader, json: unknown, path: string): string | undefined {
  const text = reader.optionalText(json, { path, maxChars: limits.conditionChars });
  if (text === undefined) return undefined;
  const compiled = compileCondition(text);
  if (isConditionProblem(compiled)) reader.issue(path, compiled.code, compiled.message);
  return text;
}

function readResources(reader: DocumentReader, json: unknown, path: string): string[] {
  const check = (glob: string, at: string): void => {
    const problem = globProblem(glob);
    if (problem !== undefined) reader.issue(at, 'invalid_glob', `${JSON.stringify(glob)} ${problem}`);
  };
  return reader.texts(json, { path, max: limits.resources, check });
}

function readEffect(reader: DocumentReader, json: unknown, path: string): Effect {
  if (json === undefined || json === 'allow') return 'allow';
  if (json !== 'deny') reader.issue(path, 'invalid_effect', 'must be "allow" or "deny"');
  return 'deny';
}

function checkIds(reader: DocumentReader, policies: readonly PolicyDocument[], path: string): void {
  const seen = new Map<string, number>();
  policies.forEach(({ id }, i) => {
    const first = seen.get(id);
    if (first === undefined) seen.set(id, i);
    else
      reader.issue(
        `${path}[${String(i)}].id`,
        'duplicate_id',
        `"${id}" is already the id of ${path}[${String(first)}]`,
      );
  });
}

function readRoles(reader: DocumentReader, json: unknown): PolicySet['roles'] {
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

/** JSON text to a policy set: `invalid_policy` also for text that is no JSON. */
export function parsePolicySetText(text: string): PolicySet {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (thrown) {
    throw new CogmeshError(
      'invalid_policy',
      `the policy set is not JSON: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
    );
  }
  return parsePolicySet(json);
}
