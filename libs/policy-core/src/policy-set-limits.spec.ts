/** The limits of a policy set from both sides: what is just within is taken, what is just beyond is refused where it stands. */
import type { CogmeshError, Issue } from '@cogmesh/errors';
import { describe, expect, it } from 'vitest';
import { limits } from './limits.js';
import { parsePolicySet } from './parse-policy-set.js';

function issuesOf(document: unknown): readonly Issue[] {
  try {
    parsePolicySet(document);
    return [];
  } catch (thrown) {
    return (thrown as CogmeshError).details.issues ?? [];
  }
}

const times = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));
const named = <T>(count: number, value: T): Record<string, T> =>
  Object.fromEntries(times(count, (i) => [`r${String(i)}`, value] as const));
const rule = (more: object = {}) => ({ permissions: ['read'], resources: ['/a'], ...more });
const set = (more: object) => ({ policies: [], ...more });
const binding = (more: object = {}) => set({ roles: { a: {} }, bindings: [{ id: 'b', role: 'a', ...more }] });
const obliged = (more: object) => [rule({ obligations: [{ id: 'o', ...more }] })];

describe.each<[string, number, (count: number) => unknown, string, string]>([
  ['policies', limits.policies, (n) => set({ policies: times(n, () => rule()) }), 'policies', 'too_many'],
  [
    'permissions',
    limits.permissions,
    (n) => [rule({ permissions: times(n, () => 'a') })],
    '[0].permissions',
    'too_many',
  ],
  ['resources', limits.resources, (n) => [rule({ resources: times(n, () => '/a') })], '[0].resources', 'too_many'],
  [
    'obligations',
    limits.obligations,
    (n) => [rule({ obligations: times(n, () => ({ id: 'o' })) })],
    '[0].obligations',
    'too_many',
  ],
  [
    'description',
    limits.descriptionChars,
    (n) => [rule({ description: 'x'.repeat(n) })],
    '[0].description',
    'too_long',
  ],
  ['id', limits.idChars, (n) => [rule({ id: 'x'.repeat(n) })], '[0].id', 'invalid_name'],
  ['roles', limits.roles, (n) => set({ roles: named(n, {}) }), 'roles', 'too_many'],
  [
    'inherits',
    limits.inherits,
    (n) => set({ roles: { a: { inherits: times(n, () => 'b') }, b: {} } }),
    'roles.a.inherits',
    'too_many',
  ],
  ['grants', limits.grants, (n) => set({ grants: times(n, () => 'a.b.c') }), 'grants', 'too_many'],
  [
    'subjects',
    limits.boundSubjects,
    (n) => binding({ subjects: times(n, () => ({ sub: 's' })) }),
    'bindings[0].subjects',
    'too_many',
  ],
  [
    'sub',
    limits.subjectChars,
    (n) => binding({ subjects: [{ sub: 'x'.repeat(n) }] }),
    'bindings[0].subjects[0].sub',
    'too_long',
  ],
  [
    'issuer',
    limits.subjectChars,
    (n) => binding({ subjects: [{ sub: 's', issuer: 'x'.repeat(n) }] }),
    'bindings[0].subjects[0].issuer',
    'too_long',
  ],
  [
    'partners',
    limits.topology,
    (n) => set({ topology: { partners: times(n, (i) => `o${String(i)}`) } }),
    'topology.partners',
    'too_many',
  ],
  [
    'attributes',
    limits.members,
    (n) => set({ entities: { 'run:1': { attributes: named(n, 1) } } }),
    'entities.run:1.attributes',
    'too_many',
  ],
  [
    'properties',
    limits.members,
    (n) => obliged({ properties: named(n, 1) }),
    '[0].obligations[0].properties',
    'too_many',
  ],
  [
    'characters of properties',
    limits.membersChars,
    (n) => obliged({ properties: { a: 'x'.repeat(n - 8) } }),
    '[0].obligations[0].properties',
    'too_long',
  ],
])('%s', (_, most, document, path, code) => {
  it(`takes ${String(most)}`, () => expect(issuesOf(document(most))).toEqual([]));
  it(`refuses ${String(most + 1)}`, () =>
    expect(issuesOf(document(most + 1)).map((issue) => [issue.path, issue.code])).toEqual([[path, code]]));
});

describe('what is refused', () => {
  it.each<[string, unknown, [string, string][]]>([
    ['no action', [rule({ permissions: [] })], [['[0].permissions', 'empty']]],
    ['no resource', [rule({ resources: [] })], [['[0].resources', 'empty']]],
    ['nobody bound', binding({ subjects: [] }), [['bindings[0].subjects', 'empty']]],
    ['an empty subject', binding({ subjects: [{ sub: '' }] }), [['bindings[0].subjects[0].sub', 'invalid_name']]],
    ['a subject without name', binding({ subjects: [{}] }), [['bindings[0].subjects[0].sub', 'wrong_type']]],
    [
      'an issuer that is null',
      binding({ subjects: [{ sub: 's', issuer: null }] }),
      [['bindings[0].subjects[0].issuer', 'wrong_type']],
    ],
    [
      'a binding of no role',
      set({ bindings: [{ id: 'b', subjects: [{ sub: 's' }] }] }),
      [['bindings[0].role', 'wrong_type']],
    ],
    [
      'a binding of a role that is not there',
      set({ bindings: [{ id: 'b', role: 'x', subjects: [{ sub: 's' }] }] }),
      [['bindings[0].role', 'unknown_role']],
    ],
    [
      'a binding without id',
      set({ roles: { a: {} }, bindings: [{ role: 'a', subjects: [{ sub: 's' }] }] }),
      [['bindings[0].id', 'wrong_type']],
    ],
    [
      'a binding that asks for a role',
      binding({ subjects: [{ sub: 's' }], when: "role == 'a'" }),
      [['bindings[0].when', 'unknown_variable']],
    ],
    ['bindings that are no list', set({ bindings: {} }), [['bindings', 'wrong_type']]],
    ['roles that are a list', set({ roles: [] }), [['roles', 'wrong_type']]],
    ['roles that are null', set({ roles: null }), [['roles', 'wrong_type']]],
    ['roles that are a text', set({ roles: 'a' }), [['roles', 'wrong_type']]],
    ['a role that is null', set({ roles: { a: null } }), [['roles.a', 'wrong_type']]],
    ['a role that is a list', set({ roles: { a: [] } }), [['roles.a', 'wrong_type']]],
    ['an obligation without id', [rule({ obligations: [{}] })], [['[0].obligations[0].id', 'missing']]],
    ['an obligation that is unknown inside', obliged({ kind: 'x' }), [['[0].obligations[0].kind', 'unknown_field']]],
    ['a type that is no name', obliged({ type: 'a b' }), [['[0].obligations[0].type', 'invalid_name']]],
    ['properties that are a list', obliged({ properties: [] }), [['[0].obligations[0].properties', 'wrong_type']]],
    ['an entity without type', set({ entities: { '1': {} } }), [['entities.1', 'invalid_name']]],
    [
      'an entity at no canonical path',
      set({ entities: { 'path:/a//b': {} } }),
      [['entities.path:/a//b', 'invalid_name']],
    ],
    [
      'an entity that is unknown inside',
      set({ entities: { 'run:1': { attribute: {} } } }),
      [['entities.run:1.attribute', 'unknown_field']],
    ],
    [
      'itself among its partners',
      set({ organisation: 'acme', topology: { partners: ['acme'] } }),
      [['topology.partners[0]', 'own_organisation']],
    ],
    [
      'one organisation in two relations',
      set({ topology: { parents: ['a'], members: ['b', 'a'] } }),
      [['topology.members[1]', 'duplicate_name']],
    ],
    ['an unknown relation', set({ topology: { friends: [] } }), [['topology.friends', 'unknown_field']]],
    ['a relation to no name', set({ topology: { parents: ['../x'] } }), [['topology.parents[0]', 'invalid_name']]],
    ['an unknown field', set({ polices: [] }), [['polices', 'unknown_field']]],
  ])('%s', (_, document, issues) => {
    expect(issuesOf(document).map(({ path, code }) => [path, code])).toEqual(issues);
  });

  it('says how many problems there are and where the first is', () => {
    expect(() => parsePolicySet(set({ roles: [] }))).toThrow(
      'the policy set has one problem; roles: must be an object',
    );
    expect(() => parsePolicySet(7)).toThrow('the policy set has 2 problems; must be an object');
  });

  it('repeats little of a name that is none', () => {
    const [issue] = issuesOf([rule({ id: ' '.repeat(5_000) })]);
    expect(issue?.message.length).toBeLessThan(200);
  });

  it('does not speak of issues that are not listed when all are', () => {
    let details: unknown;
    try {
      parsePolicySet(times(limits.issues, () => ({ ...rule(), effect: 'block' })));
    } catch (thrown) {
      ({ details } = thrown as CogmeshError);
    }
    expect(details).toMatchObject({ issues: { length: limits.issues } });
    expect(details).not.toHaveProperty('issuesNotListed');
  });
});

it('keeps everything that a set says', () => {
  const whole = {
    organisation: 'acme',
    policies: [
      {
        id: 'p',
        description: 'why',
        policy: "sub == 's'",
        permissions: ['read', '*'],
        resources: ['/a/*'],
        effect: 'deny' as const,
        obligations: [{ id: 'o', type: 't', properties: { a: [1] } }, { id: 'bare' }],
      },
    ],
    roles: { a: { inherits: [] } },
    grants: ['a.b.c'],
    bindings: [
      { id: 'b', role: 'a', subjects: [{ issuer: 'i', sub: 's' }, { sub: 't' }], when: "action == 'read'" },
      { id: 'c', role: 'a', subjects: [{ sub: 's' }] },
    ],
    topology: { parents: ['p'], members: ['m'], partners: ['q'] },
    entities: { 'run:1': { attributes: { a: 1 } }, 'run:2': { attributes: {} } },
  };
  expect(parsePolicySet(whole)).toEqual(whole);
  expect(parsePolicySet({ policies: [], topology: {}, entities: { 'run:1': {} }, bindings: [] })).toEqual({
    policies: [],
    roles: {},
    grants: [],
    topology: { parents: [], members: [], partners: [] },
    entities: { 'run:1': { attributes: {} } },
    bindings: [],
  });
});
