/**
 * JSON Schemas for editors: completion, descriptions and the mistakes that need no thinking. parsePolicySet stays the judge;
 * a test holds the two against each other, so that an editor never complains about what the policy service would accept.
 */
import { z } from 'zod';
import { limits } from '../limits.js';
import { idPattern, organisationPattern, rolePattern } from '../names.js';
import { actionPattern } from '../read-policy.js';
import { testTableShape } from './test-table.js';

const id = z.string().regex(idPattern);
const organisation = z.string().regex(organisationPattern);
const role = z.string().regex(rolePattern);
const members = z.record(z.string(), z.unknown());
const condition = z
  .string()
  .max(limits.conditionChars)
  .describe(
    'CEL. Sees sub, issuer, org_id, role, roles, action, resource, attributes, context, topology. Absent means always.',
  );

const obligation = z.strictObject({
  id,
  type: id.optional(),
  properties: members.optional(),
});

const policy = z.strictObject({
  id: id.optional().describe('Names the policy in refusals and explanations; policy-<position> when absent.'),
  description: z.string().max(limits.descriptionChars).optional().describe('For people.'),
  policy: condition.optional(),
  permissions: z
    .array(z.string().regex(actionPattern))
    .min(1)
    .max(limits.permissions)
    .describe('Actions: create, read, list, cancel, infer, serve, write, approve …; or * for all.'),
  resources: z
    .array(z.string().regex(/^\//).max(limits.globChars))
    .min(1)
    .max(limits.resources)
    .describe('Globs over canonical paths: /runs, /runs/*, /runs/**, /models/acme/ppocr-*.'),
  effect: z.enum(['allow', 'deny']).optional().describe('allow when absent. A denial wins over every permission.'),
  obligations: z
    .array(obligation)
    .max(limits.obligations)
    .optional()
    .describe('What the enforcement point must do besides; one that does not know an obligation refuses.'),
});

const binding = z.strictObject({
  id,
  role,
  subjects: z
    .array(
      z.strictObject({
        issuer: z.string().min(1).max(limits.subjectChars).optional(),
        sub: z.string().min(1).max(limits.subjectChars),
      }),
    )
    .min(1)
    .max(limits.boundSubjects),
  when: condition.optional(),
});

const information = z.strictObject({
  url: z.string().max(limits.urlChars),
  attributes: z.record(z.string(), z.enum(['string', 'number', 'boolean', 'list', 'map'])),
  timeoutMs: z.int().min(10).max(limits.informationTimeoutMs).optional(),
  ttlMs: z.int().min(0).max(limits.informationTtlMs).optional(),
});

const organisations = z.array(organisation).max(limits.topology).optional();
const policies = z.array(policy).max(limits.policies);

const policySetShape = z.union([
  z.strictObject({
    organisation: organisation.optional().describe('Whose set it is.'),
    policies,
    roles: z
      .record(z.string(), z.strictObject({ inherits: z.array(role).max(limits.inherits).optional() }))
      .optional()
      .describe('Role -> the roles whose rights it has too.'),
    bindings: z
      .array(binding)
      .max(limits.bindings)
      .optional()
      .describe("Roles given to subjects beside their token's."),
    topology: z
      .strictObject({ parents: organisations, members: organisations, partners: organisations })
      .optional()
      .describe('Organisations that this one stands in a relation to.'),
    entities: z
      .record(z.string(), z.strictObject({ attributes: members.optional() }))
      .optional()
      .describe('Attributes of single resources, by <type>:<id>.'),
    information: information.optional().describe('Who is asked about resources, when a rule reads what it knows.'),
    grants: z.array(z.string()).max(limits.grants).optional().describe('Partner grants as compact JWS.'),
  }),
  policies,
]);

/** The schema of a policy set, as docs/policy-set.schema.json holds it. */
export function policySetJsonSchema(): Record<string, unknown> {
  return { title: 'Cogmesh policy set', ...z.toJSONSchema(policySetShape, { io: 'input' }) };
}

/** The schema of a table of tests, as docs/policy-tests.schema.json holds it. */
export function testTableJsonSchema(): Record<string, unknown> {
  return { title: 'Cogmesh policy tests', ...z.toJSONSchema(testTableShape, { io: 'input' }) };
}
