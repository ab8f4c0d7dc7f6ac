import { describe, expect, it } from 'vitest';
import { readsAnything, readsNothing, unionOfReads } from './reads.js';
import type { Reads } from './types.js';

const reads = (more: Partial<Reads>): Reads => ({ ...readsNothing, ...more });

describe('what several conditions read', () => {
  it.each<[Reads[], Reads]>([
    [[], readsNothing],
    [[readsNothing, readsNothing], readsNothing],
    [[reads({ attributes: ['b', 'a'] }), readsNothing], reads({ attributes: ['b', 'a'] })],
    [
      [reads({ attributes: ['b', 'c'] }), reads({ attributes: ['a', 'b'], context: ['z'] })],
      reads({ attributes: ['a', 'b', 'c'], context: ['z'] }),
    ],
    [[reads({ context: ['*'] }), reads({ context: ['a'] })], reads({ context: ['*'] })],
    [
      [reads({ attributes: ['a'] }), reads({ context: ['c'] }), reads({ resourceAttributes: ['r'] })],
      { attributes: ['a'], context: ['c'], resourceAttributes: ['r'] },
    ],
    [
      [reads({ resourceAttributes: ['y'] }), reads({ resourceAttributes: ['x'] }), reads({ attributes: ['a'] })],
      reads({ attributes: ['a'], resourceAttributes: ['x', 'y'] }),
    ],
  ])('%j: %j', (all, union) => expect(unionOfReads(all)).toEqual(union));

  it('is anything in any of the maps', () => {
    expect(readsAnything(readsNothing)).toBe(false);
    for (const map of ['attributes', 'context', 'resourceAttributes'] as const)
      expect(readsAnything(reads({ [map]: ['a'] })), map).toBe(true);
  });
});
