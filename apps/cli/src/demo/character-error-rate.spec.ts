import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { characterErrorRate, editDistance, pairLines } from './character-error-rate.js';

/** The definition, written down: slow and obviously right. */
function naiveDistance(a: string, b: string): number {
  if (a === '' || b === '') return a.length + b.length;
  if (a[0] === b[0]) return naiveDistance(a.slice(1), b.slice(1));
  return (
    1 + Math.min(naiveDistance(a.slice(1), b), naiveDistance(a, b.slice(1)), naiveDistance(a.slice(1), b.slice(1)))
  );
}

describe('edit distance', () => {
  it('is the definition', () => {
    const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 6 });
    fc.assert(
      fc.property(word, word, (a, b) => {
        expect(editDistance([...a], [...b])).toBe(naiveDistance(a, b));
      }),
    );
  });
});

describe('character error rate', () => {
  it.each([
    ['a perfect page', 'one\ntwo', ['one', 'two'], 0],
    ['another order', 'one\ntwo', ['two', 'one'], 0],
    ['spaces and full width', 'Total 21%\nA:B', ['Total21％', 'A：B'], 0],
    ['one wrong character of six', 'one\ntwo', ['one', 'twa'], 1 / 6],
    ['one missing line', 'one\ntwo', ['one'], 3 / 6],
    ['nothing read', 'one\ntwo', [], 1],
    ['a page of something else is no worse than nothing', 'ab', ['xyz unrelated text'], 1],
    ['extra lines cost nothing', 'one', ['noise', 'one', 'noise'], 0],
    ['a line found in three pieces', 'Servo motor 12 145.00', ['Servo motor', '12', '145.00'], 0],
    ['a character outside the basic plane counts once', 'a𝄞b', ['ab'], 1 / 3],
    ['a truth with a byte order mark and Windows ends', '\uFEFFone\r\n\r\ntwo\r\n', ['one', 'two'], 0],
    ['an empty truth', '\n', ['one'], 0],
  ])('%s', (_, truth, lines, rate) => {
    expect(characterErrorRate(truth, lines)).toBeCloseTo(rate, 10);
  });

  it('shows the best match of each line', () => {
    expect(pairLines('Total EUR\nlost', ['TotalEUB', 'x'])).toEqual([
      { truth: 'Total EUR', read: 'TotalEUB', errors: 1 },
      { truth: 'lost', read: undefined, errors: 4 },
    ]);
  });

  it('is between 0 and 1, and 0 for the truth itself in any order', () => {
    const page = fc.array(
      fc.string({ minLength: 1, maxLength: 12 }).filter((line) => !/[\r\n\uFEFF]/.test(line)),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(page, page, (truth, read) => {
        const rate = characterErrorRate(truth.join('\n'), read);
        expect(rate).toBeGreaterThanOrEqual(0);
        expect(rate).toBeLessThanOrEqual(1);
        expect(characterErrorRate(truth.join('\n'), truth.toReversed())).toBe(0);
      }),
    );
  });
});
