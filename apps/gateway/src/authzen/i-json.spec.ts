import { CogmeshError } from '@cogmesh/errors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseIJson } from './i-json.js';

const refusal = (text: string): CogmeshError => {
  try {
    parseIJson(text);
  } catch (thrown) {
    if (thrown instanceof CogmeshError) return thrown;
    throw thrown;
  }
  throw new Error(`accepted ${text}`);
};

describe('I-JSON', () => {
  it('reads every object that JSON.stringify writes, with any blanks', () => {
    const object = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 }), { maxKeys: 6 });
    fc.assert(
      fc.property(object, fc.constantFrom(undefined, 1, '\t', '\r\n'), (value, blanks) => {
        const text = JSON.stringify(value, undefined, blanks);
        fc.pre(text.isWellFormed() && !/\\u[dD][89a-fA-F]/.test(text));
        expect(parseIJson(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  it('finds any name that is repeated, however deep and however written', () => {
    const name = fc.string({ minLength: 1 }).filter((text) => text.isWellFormed());
    const escaped = (text: string) =>
      `"${[...text].map((c) => (c.length > 1 ? c : `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)).join('')}"`;
    fc.assert(
      fc.property(name, fc.nat(5), (text, depth) => {
        const twice = `{${JSON.stringify(text)}:[],${escaped(text)}:{"x":1}}`;
        expect(refusal(`${'{"a":'.repeat(depth)}${twice}${'}'.repeat(depth)}`).code).toBe('invalid_json');
      }),
    );
  });

  it.each([
    '{"a":1,"a":1}',
    '{"a":{"b":1,"b":2}}',
    '{"a":[{"b":1,"b":2}]}',
    '{"__proto__":1,"__proto__":2}',
    '{"a\\"":1,"a\\"":2}',
    '{"a\\\\" :1, "a\\\\" :2}',
  ])('refuses %s and says which name', (text) => {
    const error = refusal(text);
    expect(error.code).toBe('invalid_json');
    expect(error.message).toContain('twice');
  });

  it.each(['{"a":"b: c","b":":"}', '{"a":"\\":","b\\"":1}', '{"a":["b","c"],"b":"a"}', '{"__proto__":1}'])(
    'takes no value for a name in %s',
    (text) => expect(parseIJson(text)).toEqual(JSON.parse(text)),
  );

  it('accepts a whole pair and refuses half of one, in values and in names', () => {
    expect(parseIJson('{"a":"\\ud83d\\ude00"}')).toEqual({ a: '\u{1f600}' });
    for (const text of ['{"a":"\\ud83d"}', '{"\\ude00":1}', '{"a":["\\ude00\\ud83d"]}'])
      expect(refusal(text).message).toContain('surrogate');
  });

  it('refuses numbers that are none, and depth', () => {
    expect(refusal('{"a":[1e400]}').code).toBe('invalid_json');
    expect(refusal(`{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`).message).toContain('deeper');
  });

  it.each(['[]', '7', 'null', '"a"'])('refuses %s at the top', (text) => {
    expect(refusal(text).code).toBe('invalid_argument');
  });
});
