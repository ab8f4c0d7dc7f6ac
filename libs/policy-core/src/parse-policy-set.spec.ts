import { readFileSync } from 'node:fs';
import { CogmeshError } from '@cogmesh/errors';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { limits } from './limits.js';
import { parsePolicySet, parsePolicySetText } from './parse-policy-set.js';

const rule = (more: object = {}) => ({ permissions: ['read'], resources: ['/a'], ...more });

function refusalOf(document: unknown): CogmeshError {
  try {
    parsePolicySet(document);
  } catch (thrown) {
    if (thrown instanceof CogmeshError) return thrown;
    throw thrown;
  }
  throw new Error('the document was accepted');
}

const refused = parse(readFileSync(new URL('../testdata/invalid-documents.yaml', import.meta.url), 'utf8')) as {
  description: string;
  document: unknown;
  issues: [string, string][];
}[];

describe('documents that are refused', () => {
  it.each(refused)('$description', ({ document, issues }) => {
    const error = refusalOf(document);
    expect(error.code).toBe('invalid_policy');
    const found = (error.details.issues ?? []).map((issue) => [issue.path, issue.code]);
    expect(found).toEqual(expect.arrayContaining(issues));
    expect(found).toHaveLength(issues.length);
  });

  it('says where in the condition', () => {
    const [issue] = refusalOf([rule({ policy: "org_id == 'A' && rol == 'x'" })]).details.issues ?? [];
    expect(issue?.message).toBe('Unknown variable: rol at character 17');
  });

  it.each([
    ['policies', Array.from({ length: limits.policies + 1 }, (_, i) => rule({ id: `r${String(i)}` }))],
    ['[0].permissions', [rule({ permissions: Array.from({ length: limits.permissions + 1 }, () => 'read') })]],
    ['[0].resources', [rule({ resources: Array.from({ length: limits.resources + 1 }, () => '/a') })]],
    ['[0].policy', [rule({ policy: `sub == '${'x'.repeat(limits.conditionChars)}'` })]],
    ['[0].policy', [rule({ policy: Array.from({ length: 400 }, () => 'true').join('&&') })]],
    ['[0].policy', [rule({ policy: `${'('.repeat(200)}true${')'.repeat(200)}` })]],
    ['[0].resources[0]', [rule({ resources: [`/${'a'.repeat(limits.globChars)}`] })]],
  ])('limit on %s', (path, document) => {
    expect(refusalOf(document).details.issues?.map((issue) => issue.path)).toContain(path);
  });

  it('reports a bounded number of issues and counts the rest', () => {
    const details = refusalOf(
      Array.from({ length: 300 }, (_, i) => ({ id: `r${String(i)}`, permissions: ['read'] })),
    ).details;
    expect(details.issues).toHaveLength(limits.issues);
    expect(details.issuesNotListed).toBe(200);
  });

  it('refuses text that is no JSON', () => {
    expect(() => parsePolicySetText('{"policies": [')).toThrow(expect.objectContaining({ code: 'invalid_policy' }));
  });
});

describe('documents that are accepted', () => {
  it('fills in ids and effect, and parses to itself', () => {
    const set = parsePolicySet([rule(), rule({ id: 'x', effect: 'deny', policy: "role == 'a'", description: 'why' })]);
    expect(set).toEqual({
      policies: [
        { id: 'policy-1', permissions: ['read'], resources: ['/a'], effect: 'allow' },
        {
          id: 'x',
          description: 'why',
          policy: "role == 'a'",
          permissions: ['read'],
          resources: ['/a'],
          effect: 'deny',
        },
      ],
      roles: {},
      grants: [],
    });
    expect(parsePolicySet(JSON.parse(JSON.stringify(set)))).toEqual(set);
  });

  it('takes from the set before what stands there already, and nothing else', () => {
    const [one, two, three] = [rule({ id: 'one' }), rule({ id: 'two' }), rule({ id: 'three', effect: 'deny' })];
    const before = parsePolicySet([one, two, three]);
    const stored = JSON.parse(JSON.stringify(before)) as { policies: object[] };
    const [, second, third] = stored.policies;
    const changed = { ...second, permissions: ['list'] };
    const after = parsePolicySet({ ...stored, policies: [third, changed, one] }, before);
    expect(after).toEqual(parsePolicySet({ ...stored, policies: [third, changed, one] }));
    expect(after.policies[0]).toBe(before.policies[2]);
    expect(after.policies[1]?.permissions).toEqual(['list']);
    expect(() => parsePolicySet({ ...stored, policies: [third, third] }, before)).toThrow(/already the id/);
  });

  it('takes the object form with roles and grants', () => {
    const set = parsePolicySet({
      organisation: 'acme',
      policies: [],
      roles: { a: {}, b: { inherits: ['a'] } },
      grants: ['a.b.c'],
    });
    expect(set).toEqual({
      organisation: 'acme',
      policies: [],
      roles: { a: { inherits: [] }, b: { inherits: ['a'] } },
      grants: ['a.b.c'],
    });
  });

  it('has no difficulty with the longest chain of roles', () => {
    const names = Array.from({ length: limits.roles }, (_, i) => `r${String(i)}`);
    const roles = Object.fromEntries(names.map((name, i) => [name, { inherits: i === 0 ? [] : [names[i - 1]] }]));
    expect(Object.keys(parsePolicySet({ policies: [], roles }).roles)).toHaveLength(limits.roles);
  });
});
