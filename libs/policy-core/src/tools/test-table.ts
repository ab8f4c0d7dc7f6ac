/**
 * Tests of policies as data: what is asked, what must be answered, and why. Read strictly, so that a misspelt `want` is a
 * complaint and not a test that tests nothing.
 */
import { CogmeshError, type Issue } from '@cogmesh/errors';
import { z } from 'zod';

const attributes = z.record(z.string(), z.unknown());

const subject = z.strictObject({
  organisation: z.string().optional().describe('Organisation of the caller.'),
  sub: z.string().optional().describe('Who the token names; "someone" when absent.'),
  issuer: z.string().optional().describe('`iss` of the token; "https://<organisation>.test" when absent.'),
  roles: z.array(z.string()).optional().describe('Roles of the token.'),
  attributes: attributes.optional().describe('Claims that the issuer record lets through.'),
});

const input = z.strictObject({
  subject: subject.optional(),
  action: z.string().optional().describe('create, read, list, cancel, infer, serve, write, approve …'),
  resource: z
    .union([z.string(), z.strictObject({ type: z.string(), id: z.string() })])
    .optional()
    .describe('A path such as /models/acme/ocr, or { type, id }.'),
  owner: z.string().optional().describe("Organisation that owns the resource; the caller's own when absent."),
  context: attributes.optional().describe('What the asking service adds.'),
  resourceAttributes: attributes.optional().describe('What is known about the resource now.'),
  now: z.string().optional().describe('When it is asked, ISO 8601.'),
});

const grant = z.strictObject({
  id: z.string(),
  grantor: z.string(),
  grantee: z.string(),
  actions: z.array(z.string()).min(1),
  resources: z.array(z.string()).min(1),
  notBefore: z.string().optional().describe('ISO 8601.'),
  expires: z.string().optional().describe('ISO 8601; never when absent.'),
  roles: z.array(z.string()).optional(),
  attributes: z.array(z.string()).optional(),
  purpose: z.string().optional(),
});

const test = z.strictObject({
  name: z.string().min(1).describe('What is expected, in words.'),
  input: input.describe('Replaces `given` field by field; of the subject too.'),
  want: z.enum(['allow', 'deny']),
  reason: z.string().optional().describe('A code, the id of a rule, or a part of the sentence.'),
  rules: z.array(z.string()).optional().describe('Ids of exactly the rules that decide.'),
  obligations: z.array(z.string()).optional().describe('Ids of exactly the obligations of an allowed request.'),
});

export const testTableShape = z.strictObject({
  description: z.string().optional(),
  policies: z
    .record(z.string(), z.union([z.string(), z.array(z.unknown()), z.looseObject({})]))
    .describe('By organisation: a file beside this one, or the policy set itself.'),
  grants: z.array(grant).optional().describe('Partner grants, taken as signed.'),
  now: z.string().optional().describe('When every test asks, ISO 8601; 1970 when absent.'),
  given: input.optional().describe('What every input says unless it says otherwise.'),
  tests: z.array(test).min(1),
});

export type TestTable = z.infer<typeof testTableShape>;
export type PolicyTest = z.infer<typeof test>;
export type TestInput = z.infer<typeof input>;
export type TestGrant = z.infer<typeof grant>;

/** `invalid_argument` with every issue and its place. */
export function parseTestTable(json: unknown): TestTable {
  const parsed = testTableShape.safeParse(json);
  const issues = parsed.success ? timesIn(parsed.data) : parsed.error.issues.flatMap((issue) => issuesOf(issue, json));
  if (parsed.success && issues.length === 0) return parsed.data;
  const summary = issues.length === 1 ? 'one problem' : `${String(issues.length)} problems`;
  throw new CogmeshError('invalid_argument', `the table of tests has ${summary}`, { issues });
}

function issuesOf({ path, code, message, ...rest }: z.core.$ZodIssue, json: unknown): Issue[] {
  const place = path.reduce<string>(
    (text, key) =>
      typeof key === 'number' ? `${text}[${String(key)}]` : text === '' ? String(key) : `${text}.${String(key)}`,
    '',
  );
  if (valueAt(json, path) === undefined) return [{ path: place, code: 'missing', message: 'is missing' }];
  if (code !== 'unrecognized_keys' || !('keys' in rest)) return [{ path: place, code, message }];
  return rest.keys.map((key) => ({
    path: place === '' ? key : `${place}.${key}`,
    code: 'unknown_field',
    message: 'unknown field',
  }));
}

function valueAt(json: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown> | null | undefined)?.[key], json);
}

function timesIn({ now, given, tests, grants = [] }: TestTable): Issue[] {
  const times: [string, string | undefined][] = [
    ['now', now],
    ['given.now', given?.now],
    ...tests.map((one, i): [string, string | undefined] => [`tests[${String(i)}].input.now`, one.input.now]),
    ...grants.flatMap((one, i): [string, string | undefined][] => [
      [`grants[${String(i)}].expires`, one.expires],
      [`grants[${String(i)}].notBefore`, one.notBefore],
    ]),
  ];
  return times
    .filter(([, text]) => text !== undefined && Number.isNaN(Date.parse(text)))
    .map(([path]) => ({ path, code: 'invalid_time', message: 'is no time such as 2026-11-25T00:00:00Z' }));
}
