import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { parsePolicySet } from '../parse-policy-set.js';
import { policySetJsonSchema, testTableJsonSchema } from './json-schemas.js';

const read = (file: string) => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
/** What an editor would say: the schema itself, read back. */
const accepts = (schema: Record<string, unknown>) => {
  const shape = z.fromJSONSchema(schema);
  return (value: unknown): boolean => shape.safeParse(value).success;
};
const isPolicySet = accepts(policySetJsonSchema());
const isTestTable = accepts(testTableJsonSchema());

type Tables = { policies?: Record<string, unknown>; set?: unknown }[];

const good = ['within-one-organisation', 'across-organisations', 'sets-of-version-two']
  .flatMap((file) => parse(read(`testdata/${file}.yaml`)) as Tables)
  .flatMap(({ policies }) => Object.values(policies ?? {}))
  .filter((set) => {
    try {
      parsePolicySet(set);
      return true;
    } catch {
      return false;
    }
  });

describe('the schema of policy sets', () => {
  it.each(good.map((set, i) => [i, set]))('accepts what the policy service accepts: set %i', (_i, set) => {
    expect(isPolicySet(set)).toBe(true);
    expect(isPolicySet(parsePolicySet(set))).toBe(true);
  });

  it.each([
    ['a misspelt field', [{ permissions: ['read'], resources: ['/a'], efect: 'deny' }]],
    ['no permissions', [{ resources: ['/a'] }]],
    ['an empty list of resources', [{ permissions: ['read'], resources: [] }]],
    ['an effect that is none', [{ permissions: ['read'], resources: ['/a'], effect: 'maybe' }]],
    ['an unknown section', { policies: [], polices: [] }],
    ['a binding without a subject', { policies: [], bindings: [{ id: 'b', role: 'a', subjects: [] }] }],
  ])('refuses %s, as the policy service does', (_what, set) => {
    expect(isPolicySet(set)).toBe(false);
    expect(() => parsePolicySet(set)).toThrow();
  });

  it('is what docs/ holds', () => {
    expect(JSON.parse(read('../../docs/policy-set.schema.json'))).toEqual(policySetJsonSchema());
    expect(JSON.parse(read('../../docs/policy-tests.schema.json'))).toEqual(testTableJsonSchema());
  });
});

it('knows a table of tests', () => {
  const table = { policies: { acme: 'acme.yaml' }, tests: [{ name: 'x', input: { action: 'read' }, want: 'deny' }] };
  expect(isTestTable(table)).toBe(true);
  expect(isTestTable({ ...table, tests: [{ name: 'x', input: {}, wnat: 'deny' }] })).toBe(false);
});
