import { describe, expect, it } from 'vitest';
import { formatConsistencyToken, parseConsistencyToken } from './consistency-token.js';

describe('a consistency token', () => {
  it.each([
    [{ epochs: {}, revocations: 0 }, 'c1..0'],
    [{ epochs: { acme: 7 }, revocations: 12 }, 'c1.acme:7.12'],
    [{ epochs: { acme: 7, globex: 3 }, revocations: 1 }, 'c1.acme:7,globex:3.1'],
  ])('%j is %s', (point, token) => {
    expect(formatConsistencyToken(point)).toBe(token);
    expect(parseConsistencyToken(token)).toEqual(point);
  });

  it.each([
    '',
    'c1',
    'c1.acme:7',
    'c2.acme:7.1',
    'xc1.acme:7.1',
    'c1.acme:7.1x',
    'c1.acme:.1',
    'c1.:7.1',
    'c1.acme:-7.1',
    'c1.acme:7.1.2',
    'c1./acme:7.1',
    'c1.acme:7,../x:1.1',
    `c1.acme:7.${'1'.repeat(16)}`,
    `c1.${Array.from({ length: 17 }, (_, i) => `o${String(i)}:1`).join(',')}.1`,
  ])('%s is none', (token) => {
    expect(() => parseConsistencyToken(token)).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
  });
});
