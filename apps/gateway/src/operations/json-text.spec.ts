import type { CogmeshError } from '@cogmesh/errors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseJson } from './json-text.js';

function failure(text: string): CogmeshError {
  try {
    parseJson(text);
  } catch (thrown) {
    return thrown as CogmeshError;
  }
  throw new Error(`${text} was accepted`);
}

describe('parseJson', () => {
  it.each([
    ['', 0, 1, 1],
    ['{"a": }', 6, 1, 7],
    ['{"a": 1,\n "b": tru }', 15, 2, 7],
    ['[1, 2,]', 6, 1, 7],
    ['{"a" 1}', 5, 1, 6],
    ['{"a": 1', 7, 1, 8],
    ['[1] x', 4, 1, 5],
    ['{"a": "x\ny"}', 6, 1, 7],
    ['{"a": 01}', 6, 1, 7],
    ['{]', 1, 1, 2],
    ['}', 0, 1, 1],
  ])('says where %j goes wrong', (text, position, line, column) => {
    const error = failure(text);
    expect(error.code).toBe('invalid_json');
    expect(error.details).toMatchObject({ position, line, column });
  });

  it('reads what JSON.stringify writes, and places the error of every proper prefix of an object at its end or its last token', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.nat(), (value, cut) => {
        const text = JSON.stringify(value);
        expect(JSON.stringify(parseJson(text))).toBe(text);
        const prefix = text.slice(0, cut % text.length);
        const { position } = failure(prefix).details as { position: number };
        const rest = prefix.slice(position);
        expect(rest === '' || /^("|-|t|f|n|\d)/.test(rest)).toBe(true);
      }),
    );
  });
});
