import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson, decisionKey, valuesRead, type DecisionKeyFields } from './decision-key.js';

/** Strings that try to look like the key's own punctuation. */
const text = fc.oneof(
  fc.string(),
  fc.constantFrom('', '1:', '[', ']', '0:1:a', '$$', ',', '"', '2[1:a1:b]'),
  fc.string({ unit: fc.constantFrom(':', '[', ']', '0', '1', 'a') }),
);

const fields: fc.Arbitrary<DecisionKeyFields> = fc.record({
  callerEpoch: fc.nat(20),
  ownerEpoch: fc.nat(20),
  revocations: fc.nat(20),
  owner: text,
  subject: fc.record({
    issuer: text,
    sub: text,
    organisation: text,
    roles: fc.uniqueArray(text, { maxLength: 4 }).map((roles) => roles.sort()),
  }),
  action: text,
  resource: fc.record({ type: text, id: text }),
});

/** A star alone stands for the whole map. */
const memberName = text.filter((name) => name !== '*');
const members = fc.dictionary(text, fc.oneof(text, fc.boolean(), fc.nat(), fc.array(text, { maxLength: 2 })), {
  maxKeys: 3,
});

const plain = (value: unknown) => JSON.parse(canonicalJson(value)) as unknown;

describe('the decision key', () => {
  it('keeps fields apart that are longer than a character tells', () => {
    const long = 'a'.repeat(0x1_0000);
    const base = { callerEpoch: 1, ownerEpoch: 1, revocations: 0, owner: 'o', action: long };
    const subject = { issuer: 'i', sub: 's', organisation: 'acme', roles: [] };
    const keys = [
      { ...base, subject, resource: { type: 'b', id: 'c' } },
      { ...base, subject, action: `${long}b`, resource: { type: '', id: 'c' } },
      { ...base, subject, action: '', resource: { type: `${long}b`, id: 'c' } },
      { ...base, subject, action: '', resource: { type: '', id: `${long}bc` } },
    ].map(decisionKey);
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('is equal only for equal fields', () => {
    fc.assert(
      fc.property(fields, fields, (a, b) => {
        const same = JSON.stringify(plain(a)) === JSON.stringify(plain(b));
        expect(decisionKey(a) === decisionKey(b)).toBe(same);
      }),
      { numRuns: 2_000 },
    );
  });

  it('changes when characters move from one field to its neighbour', () => {
    fc.assert(
      fc.property(fields, fc.string({ minLength: 1 }), (base, moved) => {
        const left = { ...base, action: base.action + moved };
        const right = { ...base, resource: { ...base.resource, type: moved + base.resource.type } };
        expect(decisionKey(left)).not.toBe(decisionKey(right));
      }),
    );
  });

  it('changes with each field alone', () => {
    const subject = { issuer: 'i', sub: 's', organisation: 'acme', roles: ['a', 'b'] };
    const resource = { type: 't', id: 'r' };
    const base = { callerEpoch: 1, ownerEpoch: 2, revocations: 3, owner: 'o', subject, action: 'read', resource };
    const others: DecisionKeyFields[] = [
      { ...base, callerEpoch: 9 },
      { ...base, ownerEpoch: 9 },
      { ...base, revocations: 9 },
      { ...base, owner: 'x' },
      { ...base, action: 'x' },
      { ...base, resource: { ...resource, type: 'x' } },
      { ...base, resource: { ...resource, id: 'x' } },
      { ...base, subject: { ...subject, issuer: 'x' } },
      { ...base, subject: { ...subject, sub: 'x' } },
      { ...base, subject: { ...subject, organisation: 'x' } },
      ...[[], ['a'], ['b'], ['a', 'c'], ['a', 'b', 'c']].map((roles) => ({ ...base, subject: { ...subject, roles } })),
    ];
    expect(new Set([base, ...others].map(decisionKey)).size).toBe(others.length + 1);
  });

  it('does not depend on the order of roles', () => {
    const base: DecisionKeyFields = {
      callerEpoch: 1,
      ownerEpoch: 1,
      revocations: 0,
      owner: 'acme',
      subject: { issuer: 'i', sub: 's', organisation: 'acme', roles: ['a', 'b'] },
      action: 'read',
      resource: { type: 'run', id: '' },
    };
    const turned = { ...base, subject: { ...base.subject, roles: ['b', 'a', 'b'] } };
    expect(decisionKey(turned)).toBe(decisionKey(base));
    expect(decisionKey({ ...base, subject: { ...base.subject, roles: ['a,b'] } })).not.toBe(decisionKey(base));
  });

  it('holds of the maps exactly what is read', () => {
    const none = { context: {}, resourceAttributes: {} };
    const keyOf = (names: readonly string[], attributes: Record<string, unknown>) =>
      valuesRead({ attributes: names, context: [], resourceAttributes: [] }, { ...none, attributes });
    fc.assert(
      fc.property(members, members, fc.uniqueArray(memberName, { maxLength: 3 }), (a, b, names) => {
        const seen = (map: Record<string, unknown>) =>
          canonicalJson(names.map((name) => (Object.hasOwn(map, name) ? [map[name]] : [])));
        expect(keyOf(names, a) === keyOf(names, b)).toBe(seen(a) === seen(b));
        expect(keyOf(['*'], a) === keyOf(['*'], b)).toBe(canonicalJson(a) === canonicalJson(b));
      }),
      { numRuns: 1_000 },
    );
    expect(keyOf(['x'], { x: null })).not.toBe(keyOf(['x'], {}));
    expect(keyOf(['x'], { x: 1 })).not.toBe(keyOf(['x'], { x: '1' }));
    expect(keyOf([], { x: 1 })).toBe('');
  });

  it.each([
    [{ attributes: ['x'], context: ['x'], resourceAttributes: [] }],
    [{ attributes: ['x'], context: [], resourceAttributes: ['x'] }],
    [{ attributes: [], context: ['x'], resourceAttributes: ['x'] }],
    [{ attributes: ['x'], context: ['x'], resourceAttributes: ['x'] }],
  ])('holds of each map what is read of it: %j', (reads) => {
    const none = { attributes: {}, context: {}, resourceAttributes: {} };
    for (const map of ['attributes', 'context', 'resourceAttributes'] as const) {
      const differs = valuesRead(reads, { ...none, [map]: { x: 1 } }) !== valuesRead(reads, none);
      expect(differs, map).toBe(reads[map].length > 0);
    }
  });
});

describe('canonical JSON', () => {
  it.each<[unknown, string]>([
    [{ b: 1, a: [{ d: 1, c: null }] }, '{"a":[{"c":null,"d":1}],"b":1}'],
    [{ a: undefined, b: 'x' }, '{"b":"x"}'],
    [[undefined, 1], '[null,1]'],
    [null, 'null'],
    ['"', '"\\""'],
  ])('of %j', (value, text) => expect(canonicalJson(value)).toBe(text));
});
