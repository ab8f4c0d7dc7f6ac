import { CogmeshError } from '@cogmesh/errors';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InputSchema, inputSchemaLimits, unknownText, unknownValue } from './index.js';

const ample = { path: 'input', maxSteps: 1_000_000 };
const check = (schema: unknown, input: unknown) => new InputSchema(JSON.stringify(schema)).check(input, ample);

function refusal(schema: unknown): readonly string[] {
  try {
    new InputSchema(typeof schema === 'string' ? schema : JSON.stringify(schema));
  } catch (thrown) {
    if (!(thrown instanceof CogmeshError)) throw thrown;
    expect(thrown.code).toBe('invalid_argument');
    return (thrown.details.issues ?? []).map(({ path, message }) => `${path} ${message}`.trim());
  }
  return [];
}

describe('what an input is told', () => {
  const lookup = {
    type: 'object',
    required: ['article', 'size'],
    additionalProperties: false,
    properties: {
      article: { type: 'string', minLength: 2, pattern: '^[a-z]+$' },
      size: { type: 'integer', minimum: 1, maximum: 9 },
      colour: { enum: ['red', 'green'] },
      tags: { type: 'array', items: { type: 'string' }, maxItems: 3, uniqueItems: true },
      at: { oneOf: [{ type: 'null' }, { type: 'object', required: ['x'], properties: { x: { type: 'number' } } }] },
    },
  };

  it.each<[string, unknown, string[]]>([
    ['right', { article: 'tea', size: 3, colour: 'red', tags: ['a', 'b'], at: { x: 1.5 } }, []],
    ['another kind', 'tea', ['input: must be an object, is the text "tea"']],
    ['nothing', null, ['input: must be an object, is null']],
    ['a field missing', { article: 'tea' }, ['input.size: is required: a whole number']],
    [
      'a field too many',
      { article: 'tea', size: 3, sise: 4 },
      ['input.sise: is not known here; there are "article", "size", "colour", "tags", "at"'],
    ],
    [
      'several at once',
      { article: 'T', size: 0.5, colour: 'blue', tags: ['a', 7] },
      [
        'input.article: must have at least 2 characters, has 1',
        'input.article: must match ^[a-z]+$',
        'input.size: must be a whole number, is 0.5',
        'input.colour: must be one of "red", "green", is the text "blue"',
        'input.tags[1]: must be a text, is 7',
      ],
    ],
    ['out of range', { article: 'tea', size: 12 }, ['input.size: must be at most 9, is 12']],
    [
      'repeats',
      { article: 'tea', size: 3, tags: ['a', 'a'] },
      ['input.tags: must have no repeats; [1] is the same as [0]'],
    ],
    [
      'none of the alternatives',
      { article: 'tea', size: 3, at: {} },
      ['input.at: must match one of 2 alternatives: must be null, is an object; or x is required: a number'],
    ],
    [
      'an odd name',
      { article: 'tea', size: 3, 'a b': 1 },
      [expect.stringMatching(/^input\["a b"\]: is not known here/)],
    ],
  ])('%s', (_name, input, want) => {
    const { verdict, issues } = check(lookup, input);
    expect(issues.map(({ path, message }) => `${path}: ${message}`)).toEqual(want);
    expect(verdict).toBe(want.length === 0 ? 'valid' : 'invalid');
  });

  it('at most so many issues', () => {
    const { issues } = check(
      { items: { type: 'string' } },
      Array.from({ length: 1_000 }, (_, index) => index),
    );
    expect(issues).toHaveLength(inputSchemaLimits.issues);
  });

  it('a recursive schema', () => {
    const tree = {
      $ref: '#/$defs/tree',
      $defs: {
        tree: {
          type: 'object',
          properties: { name: { type: 'string' }, children: { type: 'array', items: { $ref: '#/$defs/tree' } } },
        },
      },
    };
    expect(check(tree, { name: 'a', children: [{ name: 'b', children: [] }] }).verdict).toBe('valid');
    const { issues } = check(tree, { name: 'a', children: [{ children: [{ name: 5 }] }] });
    expect(issues.map(({ path }) => path)).toEqual(['input.children[0].children[0].name']);
  });
});

describe('what is not known yet', () => {
  const schema = {
    type: 'object',
    required: ['image', 'box'],
    properties: {
      image: { type: 'object', required: ['$blob'] },
      box: { type: 'array', minItems: 2, items: { type: 'number' } },
      name: { type: 'string', maxLength: 3 },
      count: { type: 'integer' },
    },
  };

  it.each<[string, unknown, string, string[]]>([
    ['may be right', { image: unknownValue, box: unknownValue }, 'unknown', []],
    ['leaves what is missing', { image: unknownValue }, 'invalid', ['input.box']],
    [
      'leaves what is wrong beside it',
      { image: 'x', box: [unknownValue, 'y'] },
      'invalid',
      ['input.image', 'input.box[1]'],
    ],
    ['does not change how many there are', { image: unknownValue, box: [unknownValue] }, 'invalid', ['input.box']],
    ['may be any text', { image: { $blob: 'b' }, box: [1, 2], name: unknownText }, 'unknown', []],
    [
      'is no number when it is a text',
      { image: unknownValue, box: unknownValue, count: unknownText },
      'invalid',
      ['input.count'],
    ],
    [
      'is nothing to worry about where nothing is asked',
      { image: { $blob: 'b' }, box: [1, 2], other: unknownValue },
      'valid',
      [],
    ],
  ])('%s', (_name, input, verdict, paths) => {
    const checked = check(schema, input);
    expect([checked.verdict, checked.issues.map(({ path }) => path)]).toEqual([verdict, paths]);
  });

  it('is judged by what all alternatives say', () => {
    const either = { anyOf: [{ required: ['a', 'b'] }, { required: ['c'] }] };
    expect(check(either, { a: unknownValue }).verdict).toBe('invalid');
    expect(check(either, { a: unknownValue, b: 1 }).verdict).toBe('valid');
  });
});

describe('schemas that are refused', () => {
  it.each<[string, unknown, RegExp]>([
    ['no JSON', '{', /is not JSON/],
    ['no schema', 5, /must be a schema/],
    ['too large', JSON.stringify({ description: 'x'.repeat(inputSchemaLimits.bytes) }), /at most 32768/],
    ['another dialect', { $schema: 'http://json-schema.org/draft-07/schema#' }, /^\$schema must be/],
    ['fetched from elsewhere', { $ref: 'https://example.com/schema.json' }, /^\$ref must point into this schema/],
    ['beside it', { $ref: 'other.json#/a' }, /must point into this schema/],
    ['by name', { $ref: '#anchor' }, /must point into this schema/],
    ['pointing at nothing', { $ref: '#/$defs/missing' }, /points at nothing/],
    ['pointing into the prototype', { $ref: '#/constructor' }, /points at nothing/],
    ['turning in a circle', { $ref: '#' }, /refers to itself/],
    [
      'turning in a wider circle',
      { anyOf: [{ $ref: '#/$defs/a' }], $defs: { a: { not: { $ref: '#' } } } },
      /refers to itself/,
    ],
    ['a keyword of another standard', { nullable: true }, /^nullable is a keyword that is not supported/],
    ['a keyword that needs what was evaluated', { unevaluatedProperties: false }, /not supported/],
    ['dynamic references', { $dynamicRef: '#node' }, /not supported/],
    ['an id inside', { properties: { a: { $id: 'https://example.com/a' } } }, /not supported/],
    ['a type there is not', { type: 'int' }, /^type must be one or more of/],
    ['a bound that is no number', { minimum: '5' }, /^minimum must be a number/],
    ['a slow pattern', { pattern: '^(a+)+$' }, /^pattern must be a plain sequence/],
    ['too deep', JSON.stringify(nested(100)), /nested deeper than 64/],
  ])('%s', (_name, schema, message) => {
    expect(refusal(schema).join('\n')).toMatch(message);
  });

  it('with every problem at once', () => {
    expect(refusal({ type: 'int', properties: { size: { minimum: 'x' }, a: { format: 'date', oneOf: {} } } })).toEqual([
      expect.stringMatching(/^type /),
      expect.stringMatching(/^properties\.size\.minimum /),
      expect.stringMatching(/^properties\.a\.oneOf /),
    ]);
  });
});

function nested(depth: number): unknown {
  return depth === 0 ? {} : { properties: { a: nested(depth - 1) } };
}

describe('patterns', () => {
  it.each([
    '^[a-z][a-z0-9_-]{0,62}$', '^\\d+\\.\\d+\\.\\d+$', '^[^@]+@[^@]+$', '^.*\\.png$', '^-?\\d+$', '^run_[0-9A-Z]{26}', '^$', '^a{3,}b',
  ])('%s is taken', (pattern) => {
    expect(refusal({ pattern })).toEqual([]);
  }); // prettier-ignore

  it.each([
    'abc', '^(a|b)$', '^a+a+$', '^.*.*$', '^\\w+\\d+$', '^(?=a)b', '^a\\1', '^[a-', '^.*a{200}$', '^a*b*a*b*$', '^[a-z]*[^0-9]*x+$', `^${'a'.repeat(200)}`,
  ])('%s is refused', (pattern) => {
    expect(refusal({ pattern })).toHaveLength(1);
  }); // prettier-ignore

  it('take time that grows with the text and no faster', () => {
    const pieces = fc.constantFrom('a', 'b', '[ab]', '.', '\\d', '[^a]', '\\w', '-');
    const times = fc.constantFrom('', '?', '*', '+', '{2}', '{1,3}', '{2,}');
    const patterns = fc.array(fc.tuple(pieces, times), { maxLength: 6 }).map((atoms) => `^${atoms.flat().join('')}$`);
    fc.assert(
      fc.property(patterns, (pattern) => {
        fc.pre(refusal({ pattern }).length === 0);
        const expression = new RegExp(pattern, 'u');
        for (const text of ['a'.repeat(50_000), 'ab'.repeat(25_000), '1'.repeat(50_000)]) {
          const startMs = performance.now();
          expression.test(`${text}\n`);
          expect(performance.now() - startMs).toBeLessThan(200);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('a check that would make others wait', () => {
  it('is given up', () => {
    const schema = new InputSchema(
      JSON.stringify({ items: { allOf: Array.from({ length: 50 }, () => ({ type: 'string' })) } }),
    );
    const numbers = Array.from({ length: 100_000 }, (_, index) => index);
    expect(schema.check(numbers, { path: '', maxSteps: 10_000 })).toEqual({
      verdict: 'unknown',
      issues: [],
      steps: 10_000,
    });
  });

  it('also where a schema doubles at every level', () => {
    const levels = Array.from({ length: 40 }, (_, index) => {
      const next = { $ref: `#/$defs/l${index + 1}` };
      return [`l${index}`, { allOf: [next, next] }];
    });
    const schema = { $ref: '#/$defs/l0', $defs: { ...Object.fromEntries(levels), l40: { type: 'string' } } };
    expect(check(schema, 5).verdict).toBe('unknown');
    expect(check({ items: schema, $defs: schema.$defs }, []).verdict).toBe('valid');
  });
});

/** Schemas of a few keywords over a few values, so that they often have something to say of each other. */
const scalar = fc.oneof(
  fc.constantFrom(null, true, false, 0, 1, 2.5, -3, '', 'a', 'ab', 'abc'),
  fc.integer({ min: -4, max: 4 }),
);
const value = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    scalar,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom('a', 'b', 'c'), tie('value'), { maxKeys: 3, noNullPrototype: true }),
  ),
})).value;
const count = fc.integer({ min: 0, max: 3 });
const type = fc.constantFrom('null', 'boolean', 'integer', 'number', 'string', 'array', 'object');
const names = fc.uniqueArray(fc.constantFrom('a', 'b', 'c'), { maxLength: 2 });

const schema = fc.letrec<{ schema: unknown }>((tie) => {
  const list = fc.array(tie('schema'), { minLength: 1, maxLength: 3 });
  const map = fc.dictionary(fc.constantFrom('a', 'b', 'c'), tie('schema'), { maxKeys: 2, noNullPrototype: true });
  const keywords = fc.record(
    {
      type: fc.oneof(type, fc.uniqueArray(type, { minLength: 1, maxLength: 3 })),
      enum: fc.uniqueArray(scalar, { minLength: 1, maxLength: 4 }),
      const: value,
      minimum: count,
      exclusiveMaximum: count,
      multipleOf: fc.integer({ min: 1, max: 3 }),
      minLength: count,
      maxLength: count,
      pattern: fc.constantFrom('^a', '^a*b$', '^.$'),
      minItems: count,
      maxItems: count,
      uniqueItems: fc.boolean(),
      prefixItems: list,
      items: tie('schema'),
      contains: tie('schema'),
      minContains: count,
      maxContains: count,
      required: names,
      minProperties: count,
      maxProperties: count,
      properties: map,
      patternProperties: fc.dictionary(fc.constantFrom('^a', '^[bc]$'), tie('schema'), {
        maxKeys: 1,
        noNullPrototype: true,
      }),
      additionalProperties: tie('schema'),
      propertyNames: tie('schema'),
      dependentRequired: fc.dictionary(fc.constantFrom('a', 'b'), names, { maxKeys: 1, noNullPrototype: true }),
      dependentSchemas: map,
      allOf: list,
      anyOf: list,
      oneOf: list,
      not: tie('schema'),
      if: tie('schema'),
      then: tie('schema'),
      else: tie('schema'),
    },
    { requiredKeys: [], noNullPrototype: true },
  );
  // A few keywords at once: all of them at once allow nothing.
  const few = fc
    .tuple(keywords, fc.uniqueArray(fc.nat(33), { minLength: 1, maxLength: 5 }))
    .map(([all, chosen]) => Object.fromEntries(Object.entries(all).filter((_, index) => chosen.includes(index))))
    .map(withoutPair);
  return { schema: fc.oneof({ maxDepth: 4 }, fc.boolean(), few) };
}).schema;

/** Beside `prefixItems` the oracle lets an empty list pass for `contains`, against the standard: that pair is left out. */
function withoutPair({ prefixItems, ...rest }: Record<string, unknown>): Record<string, unknown> {
  return prefixItems === undefined || 'contains' in rest ? rest : { prefixItems, ...rest };
}

/** Undefined where the oracle has no opinion: its code for some schemas fails when it runs. */
function oracle(of: unknown): (input: unknown) => boolean | undefined {
  const isValid = new Ajv2020({ strict: false, validateSchema: false, logger: false }).compile(of as object);
  return (input) => {
    try {
      return isValid(input);
    } catch (thrown) {
      if (thrown instanceof ReferenceError || thrown instanceof TypeError) return undefined;
      throw thrown;
    }
  };
}

describe('an established validator says the same', () => {
  it('of whole inputs', () => {
    const seen = { valid: 0, invalid: 0 };
    fc.assert(
      fc.property(schema, fc.array(value, { minLength: 3, maxLength: 8 }), (rules, inputs) => {
        const isValid = oracle(rules);
        for (const input of inputs) {
          const { verdict, issues } = check(rules, input);
          const want = isValid(input);
          if (want === undefined) continue;
          expect(verdict).toBe(want ? 'valid' : 'invalid');
          expect(issues.length > 0).toBe(verdict === 'invalid');
          seen[verdict as keyof typeof seen] += 1;
        }
      }),
      { numRuns: 500 },
    );
    expect(seen.valid).toBeGreaterThan(300);
    expect(seen.invalid).toBeGreaterThan(300);
  });

  it('of inputs that are known in part, whatever the rest turns out to be', () => {
    const seen = { valid: 0, invalid: 0, unknown: 0 };
    const partly = fc.tuple(
      value,
      fc.array(fc.nat(12), { minLength: 1, maxLength: 3 }),
      fc.array(value, { minLength: 4, maxLength: 8 }),
    );
    fc.assert(
      fc.property(schema, partly, (rules, [input, holes, fillings]) => {
        const isValid = oracle(rules);
        const { verdict } = check(
          rules,
          filled(input, holes, () => unknownValue),
        );
        seen[verdict] += 1;
        for (const filling of fillings) {
          const whole = isValid(filled(input, holes, () => filling));
          if (verdict !== 'unknown' && whole !== undefined) expect(whole).toBe(verdict === 'valid');
        }
        const text = check(
          rules,
          filled(input, holes, () => unknownText),
        ).verdict;
        for (const filling of ['', 'a', 'ab', 'zzzz']) {
          const whole = isValid(filled(input, holes, () => filling));
          if (text !== 'unknown' && whole !== undefined) expect(whole).toBe(text === 'valid');
        }
      }),
      { numRuns: 500 },
    );
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(5);
  });
});

/** The value with something else in the places whose number, counted in order, is listed. */
function filled(input: unknown, holes: readonly number[], fill: () => unknown): unknown {
  let place = -1;
  const walk = (each: unknown): unknown => {
    place += 1;
    if (holes.includes(place)) return fill();
    if (Array.isArray(each)) return each.map(walk);
    if (typeof each !== 'object' || each === null) return each;
    return Object.fromEntries(Object.entries(each).map(([key, member]) => [key, walk(member)]));
  };
  return walk(input);
}
