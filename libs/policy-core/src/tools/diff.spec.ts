import { expect, it } from 'vitest';
import { parsePolicySet } from '../parse-policy-set.js';
import { diffPolicySets } from './diff.js';

const set = (policies: object[], rest: object = {}) => parsePolicySet({ organisation: 'acme', policies, ...rest });
const reads = { id: 'reads', policy: "role == 'a'", permissions: ['read', 'list'], resources: ['/runs'] };
const denies = { id: 'denies', permissions: ['write'], resources: ['/runs'], effect: 'deny' };

it('finds nothing in a set that only moved', () => {
  const moved = { ...reads, permissions: ['list', 'read'] };
  expect(diffPolicySets(set([reads, denies]), set([denies, moved]))).toEqual([]);
});

it('tells what came, what went, and what that means for rights', () => {
  const brief = diffPolicySets(set([reads, denies]), set([{ ...reads, id: 'new' }])).map(
    ({ kind, section, id, effect }) => `${kind} ${section} ${id} ${effect}`,
  );
  expect(brief).toEqual(['removed policy reads narrows', 'removed policy denies widens', 'added policy new widens']);
});

it.each([
  ['more actions', { permissions: ['read', 'list', 'write'] }, 'widens'],
  ['fewer actions', { permissions: ['read'] }, 'narrows'],
  ['more and fewer', { permissions: ['read', 'write'] }, 'either'],
  ['another condition', { policy: "role == 'b'" }, 'either'],
  ['a description', { description: 'for auditors' }, 'none'],
  ['a denial instead', { effect: 'deny' }, 'either'],
])('%s of an allow rule: %s %s', (_what, fields, effect) => {
  expect(diffPolicySets(set([reads]), set([{ ...reads, ...fields }]))).toMatchObject([{ kind: 'changed', effect }]);
});

it('reads a denial the other way round', () => {
  expect(diffPolicySets(set([denies]), set([{ ...denies, resources: ['/runs', '/x'] }]))).toMatchObject([
    { effect: 'narrows', fields: [{ field: 'resources', added: ['/x'], removed: [] }] },
  ]);
});

it('shows each field before and after', () => {
  const [change] = diffPolicySets(set([reads]), set([{ ...reads, policy: "role == 'b'", description: 'x' }]));
  expect(change?.fields).toEqual([
    { field: 'policy', before: "role == 'a'", after: "role == 'b'" },
    { field: 'description', after: 'x' },
  ]);
});

it('covers roles, bindings, topology, entities and grants', () => {
  const binding = { id: 'b', role: 'a', subjects: [{ sub: 'ada' }] };
  const before = set([], { roles: { a: {} }, grants: ['a.b.c'], topology: { partners: ['globex'] } });
  const after = set([], {
    roles: { a: {}, b: { inherits: ['a'] } },
    grants: ['d.e.f'],
    bindings: [binding],
    topology: { partners: ['hooli'] },
    entities: { 'model:acme/ocr': { attributes: { tier: 1 } } },
  });
  expect(diffPolicySets(before, after).map(({ kind, section, id }) => `${kind} ${section} ${id}`)).toEqual([
    'added role b',
    'added binding b',
    'changed topology partners',
    'added entity model:acme/ocr',
    'removed grant 0',
    'added grant 0',
  ]);
});
