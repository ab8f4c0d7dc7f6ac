import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { alphabetOf, decodeLine } from './ctc.js';
import { contains, convexHull, cornersOf, grow, minAreaRectangle, type Rectangle } from './geometry.js';
import { linePixels } from './line-pixels.js';
import type { Picture } from './picture.js';
import { textBoxes } from './text-boxes.js';
import type { Point } from '../protocol.js';

const points = fc.array(fc.tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 60 })), {
  minLength: 3,
  maxLength: 30,
});
const within = (rectangle: Rectangle, [x, y]: Point): boolean => contains(grow(rectangle, 1e-6), x, y);

describe('smallest rectangle', () => {
  it('holds every point, and no enclosing rectangle of a finely turned axis is smaller', () => {
    fc.assert(
      fc.property(points, (list) => {
        const best = minAreaRectangle(list as Point[]);
        expect(list.every((point) => within(best, point as Point))).toBe(true);
        for (let degrees = 0; degrees < 180; degrees += 1) {
          const axis: Point = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
          const spread = (of: (p: Point) => number): number => {
            const values = (list as Point[]).map(of);
            return Math.max(...values) - Math.min(...values);
          };
          const area = spread((p) => p[0] * axis[0] + p[1] * axis[1]) * spread((p) => p[1] * axis[0] - p[0] * axis[1]);
          expect(best.width * best.height).toBeLessThanOrEqual(area + 1e-6);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('orders corners top left, top right, bottom right, bottom left', () => {
    const tilted = minAreaRectangle([
      [10, 10],
      [90, 20],
      [88, 40],
      [8, 30],
    ]);
    const [tl, tr, br, bl] = cornersOf(tilted);
    expect(tl[0]).toBeLessThan(tr[0]);
    expect(bl[0]).toBeLessThan(br[0]);
    expect(tl[1]).toBeLessThan(bl[1]);
    expect(tr[1]).toBeLessThan(br[1]);
  });

  it('has a hull without inner points', () => {
    expect(
      convexHull([
        [0, 0],
        [4, 0],
        [4, 4],
        [0, 4],
        [2, 2],
        [2, 0],
      ]),
    ).toEqual([
      [0, 0],
      [4, 0],
      [4, 4],
      [0, 4],
    ]);
  });
});

/** A map with text where the rectangles are. */
function mapOf(
  width: number,
  height: number,
  rectangles: readonly (readonly [number, number, number, number, number?])[],
) {
  const values = new Float32Array(width * height);
  for (const [left, top, right, bottom, probability = 0.9] of rectangles) {
    for (let y = top; y < bottom; y += 1) values.fill(probability, y * width + left, y * width + right);
  }
  return { width, height, values };
}

describe('text boxes', () => {
  it('finds lines in reading order, rows by rows, scaled to the picture', () => {
    const map = mapOf(200, 100, [
      [110, 12, 180, 22],
      [10, 10, 80, 20],
      [10, 60, 100, 72],
    ]);
    const boxes = textBoxes(map, { width: 400, height: 200 });
    expect(boxes.map((box) => box.points[0][0] < 200)).toEqual([true, false, true]);
    const [first] = boxes;
    expect(first?.score).toBeCloseTo(0.9, 2);
    const [tl, , br] = first?.points ?? [];
    expect(tl?.[0]).toBeLessThan(20);
    expect(br?.[0]).toBeGreaterThan(160);
  });

  it('drops the faint, the tiny, and keeps inside the picture', () => {
    expect(textBoxes(mapOf(100, 100, [[10, 10, 60, 20, 0.4]]), { width: 100, height: 100 })).toEqual([]);
    expect(textBoxes(mapOf(100, 100, [[10, 10, 60, 12]]), { width: 100, height: 100 })).toEqual([]);
    const [edge] = textBoxes(mapOf(100, 100, [[0, 0, 100, 10]]), { width: 100, height: 100 });
    for (const [x, y] of edge?.points ?? [])
      expect([x >= 0, y >= 0, x <= 100, y <= 100]).toEqual([true, true, true, true]);
  });

  it('is empty on an empty page', () => {
    expect(textBoxes(mapOf(64, 64, []), { width: 64, height: 64 })).toEqual([]);
  });
});

describe('line pixels', () => {
  /** Red rises to the right, green downwards, blue is flat. */
  const picture: Picture = { width: 100, height: 50, rgb: new Uint8Array(3 * 100 * 50) };
  for (let y = 0; y < 50; y += 1)
    for (let x = 0; x < 100; x += 1) picture.rgb.set([2 * x, 4 * y, 77], 3 * (y * 100 + x));
  const box = (left: number, top: number, right: number, bottom: number) => ({
    score: 1,
    points: [
      [left, top],
      [right, top],
      [right, bottom],
      [left, bottom],
    ] as [Point, Point, Point, Point],
  });

  it('is 48 high and as wide as the box asks, blue first, between -1 and 1', () => {
    const line = linePixels(picture, box(10, 10, 90, 34));
    expect([line.width, line.height, line.planes.length]).toEqual([160, 48, 3 * 160 * 48]);
    const size = 160 * 48;
    expect(line.planes[0]).toBeCloseTo((77 / 255 - 0.5) / 0.5, 5);
    expect(line.planes[2 * size + 159]).toBeGreaterThan(line.planes[2 * size] ?? 1);
    expect(line.planes[size + 47 * 160]).toBeGreaterThan(line.planes[size] ?? 1);
  });

  it('turns text that runs downwards', () => {
    expect(linePixels(picture, box(10, 5, 20, 45)).width).toBe(192);
  });

  it('refuses a box without area', () => {
    expect(() => linePixels(picture, box(10, 10, 10, 10))).toThrowError(
      expect.objectContaining({ code: 'invalid_input' }),
    );
    expect(() => linePixels(picture, box(0, 10, 90_000, 12))).toThrowError(
      expect.objectContaining({ code: 'invalid_input' }),
    );
  });
});

describe('CTC', () => {
  const alphabet = alphabetOf('a\nb\r\n');
  const steps = (...classes: number[]): Float32Array =>
    Float32Array.from(classes.flatMap((best) => alphabet.map((_, index) => (index === best ? 0.7 : 0.1))));

  it('has blank, the dictionary, and a space', () => {
    expect(alphabet).toEqual(['', 'a', 'b', ' ']);
  });

  it.each([
    ['repeats are one character', [1, 1, 1], 'a'],
    ['a blank between them makes two', [1, 0, 1], 'aa'],
    ['blanks are dropped', [0, 1, 0, 0, 2, 3, 0], 'ab '],
    ['nothing but blanks', [0, 0], ''],
  ])('%s', (_, classes, text) => {
    expect(decodeLine(steps(...classes), alphabet).text).toBe(text);
  });

  it('is as sure as the steps it kept', () => {
    expect(decodeLine(steps(1, 2), alphabet).confidence).toBeCloseTo(0.7, 4);
    expect(decodeLine(steps(0), alphabet).confidence).toBe(0);
  });
});
