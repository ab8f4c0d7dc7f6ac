import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsePolicySet } from './parse-policy-set.js';

const rule = fc.record(
  {
    id: fc.constantFrom('a', 'b', 'c', 'd'),
    permissions: fc.constantFrom(['read'], ['read', 'list'], ['list', 'read']),
    resources: fc.constantFrom(['/a'], ['/a/*'], ['/b']),
    policy: fc.constantFrom("role == 'x'", "role == 'y'"),
    effect: fc.constantFrom('allow', 'deny'),
    description: fc.constantFrom('one', 'two'),
    obligations: fc.constantFrom([{ id: 'log' }], [{ id: 'log', properties: { a: 1, b: [2] } }]),
  },
  { requiredKeys: ['id', 'permissions', 'resources'] },
);
const rules = fc.uniqueArray(rule, { selector: ({ id }) => id, maxLength: 4 });

describe('a set read with the one before', () => {
  it('is the set read by itself, whatever was changed', () => {
    fc.assert(
      fc.property(rules, rules, (before, after) => {
        expect(parsePolicySet(after, parsePolicySet(before))).toEqual(parsePolicySet(after));
      }),
      { numRuns: 1_000 },
    );
  });

  it('takes over what stands there as it stood, and reads what differs by a member', () => {
    const stays = { id: 'a', permissions: ['read'], resources: ['/a'] };
    const before = parsePolicySet([stays, { ...stays, id: 'b' }]);
    const after = parsePolicySet(
      [
        { ...stays, effect: 'deny' },
        { resources: ['/a'], permissions: ['read'], id: 'b' },
      ],
      before,
    );
    expect(after.policies[1]).toBe(before.policies[1]);
    expect(after.policies[0]).toMatchObject({ id: 'a', effect: 'deny' });
  });

  it('refuses what is wrong in what differs, and an id that is there twice', () => {
    const good = { id: 'a', permissions: ['read'], resources: ['/a'] };
    const before = parsePolicySet([good]);
    const refused = expect.objectContaining({ code: 'invalid_policy' });
    expect(() => parsePolicySet([{ ...good, resources: ['a'] }], before)).toThrow(refused);
    expect(() => parsePolicySet([{ ...good, unknown: undefined }], before)).toThrow(refused);
    expect(() => parsePolicySet([good, good], before)).toThrow(refused);
  });
});
