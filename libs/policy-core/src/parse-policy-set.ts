/**
 * Reads a policy set from JSON and names everything that is wrong with it at once. A field that is not known is an
 * error: `"efect": "deny"` must not become an allow rule. The result is plain JSON and parses to itself again.
 */
import { CogmeshError } from '@cogmesh/errors';
import { DocumentReader } from './document-reader.js';
import { KnownPolicies } from './known-policies.js';
import { limits } from './limits.js';
import { organisationPattern } from './names.js';
import { readEntities, readTopology } from './read-entities.js';
import { readInformation } from './read-information.js';
import { readPolicy } from './read-policy.js';
import { readBindings, readRoles } from './read-roles.js';
import type { PolicyDocument, PolicySet } from './types.js';

const jwsPattern = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

/** Whether a name can be an organisation's. */
export function isOrganisationName(name: string): boolean {
  return organisationPattern.test(name);
}

/**
 * Accepts an object, of which only `policies` must be there, or a bare array of policies. Throws `invalid_policy` with every issue.
 * What stands in `earlier` as it stands here is taken from there: most changes of a large set are small ones.
 */
export function parsePolicySet(json: unknown, earlier?: PolicySet): PolicySet {
  const reader = new DocumentReader();
  const known = new KnownPolicies(earlier?.policies);
  const set = Array.isArray(json)
    ? readSet(reader, { policies: json }, { policiesPath: '', known })
    : readSet(reader, json, { policiesPath: 'policies', known });
  reader.throwIfBad();
  return set;
}

const fieldNames = ['organisation', 'policies', 'roles', 'grants', 'bindings', 'topology', 'entities', 'information'];

interface Reading {
  readonly policiesPath: string;
  readonly known: KnownPolicies;
}

function readSet(reader: DocumentReader, json: unknown, { policiesPath, known }: Reading): PolicySet {
  const fields = reader.object(json, '', fieldNames);
  const organisation = reader.optionalText(fields.organisation, { path: 'organisation', pattern: organisationPattern });
  const roles = readRoles(reader, fields.roles);
  const policies = reader
    .list(fields.policies, { path: policiesPath || 'policies', max: limits.policies })
    .map(
      (item, i) => known.find(item) ?? readPolicy(reader, item, { path: `${policiesPath}[${String(i)}]`, position: i }),
    );
  checkIds(reader, policies, policiesPath);
  const grants = reader.texts(fields.grants ?? [], { path: 'grants', max: limits.grants, min: 0, pattern: jwsPattern });
  return {
    ...(organisation === undefined ? {} : { organisation }),
    policies,
    roles,
    grants,
    ...(fields.bindings === undefined ? {} : { bindings: readBindings(reader, fields.bindings, roles) }),
    ...(fields.topology === undefined ? {} : { topology: readTopology(reader, fields.topology, organisation) }),
    ...(fields.entities === undefined ? {} : { entities: readEntities(reader, fields.entities) }),
    ...(fields.information === undefined ? {} : { information: readInformation(reader, fields.information) }),
  };
}

function checkIds(reader: DocumentReader, policies: readonly PolicyDocument[], path: string): void {
  if (new Set(policies.map(({ id }) => id)).size === policies.length) return;
  reader.unique(
    policies.map(({ id }, i) => ({ value: id, path: `${path}[${String(i)}]` })),
    'id',
  );
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
