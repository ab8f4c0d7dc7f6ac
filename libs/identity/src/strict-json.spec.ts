import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseStrictJson } from './strict-json.js';

describe('strict JSON', () => {
  it.each([
    '{"a":1,"a":2}',
    '{"a":1,"\\u0061":2}',
    '[{"b":{"x":1, "x" :2}}]',
    '{"a":{"c":1},"b":[],"a":"}"}',
    String.raw`{"a\"":1,"b":"\\","a\"":2}`,
  ])('refuses %s', (text) => {
    expect(() => parseStrictJson(text)).toThrow(/twice/);
  });

  it.each(['{', '{"a":1}}', "{'a':1}", ''])('refuses malformed %j', (text) => {
    expect(() => parseStrictJson(text)).toThrow(SyntaxError);
  });

  it('reads every other text as JSON.parse does', () => {
    fc.assert(
      fc.property(fc.json(), fc.constantFrom(0, 2), (text, indent) => {
        const once = JSON.stringify(JSON.parse(text), undefined, indent);
        expect(parseStrictJson(once)).toEqual(JSON.parse(once));
      }),
    );
  });
});
