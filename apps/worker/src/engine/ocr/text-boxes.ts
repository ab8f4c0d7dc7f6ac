/**
 * From the detector's probability map to text boxes, the DB post-processing of PaddleOCR (ppocr/postprocess/db_postprocess)
 * with its published constants. Rectangles are grown directly, which for a rectangle equals offsetting the polygon.
 */
import type { Point, TextBox } from '../protocol.js';
import { contains, cornersOf, grow, minAreaRectangle, type Rectangle } from './geometry.js';

const textThreshold = 0.3;
const boxThreshold = 0.6;
const unclipRatio = 1.5;
/** Shortest side of a region, then of the grown box, map pixels. */
const minRegionSide = 3;
const minBoxSide = 5;
/** Boxes of one picture; the most a page of print has is some hundreds. */
const maxBoxes = 1000;

export interface ProbabilityMap {
  readonly width: number;
  readonly height: number;
  /** Row-major, 0-1. */
  readonly values: Float32Array;
}

/** Boxes in the picture's own pixels, reading order: by rows from the top, then from the left. */
export function textBoxes(map: ProbabilityMap, picture: { width: number; height: number }): TextBox[] {
  const boxes: TextBox[] = [];
  for (const border of regions(map)) {
    const box = boxOf(map, border, picture);
    if (box) boxes.push(box);
    if (boxes.length === maxBoxes) break;
  }
  return readingOrder(boxes);
}

function boxOf(
  map: ProbabilityMap,
  border: readonly Point[],
  picture: { width: number; height: number },
): TextBox | undefined {
  const region = minAreaRectangle(border);
  if (Math.min(region.width, region.height) < minRegionSide) return undefined;
  const score = meanInside(map, region);
  if (score < boxThreshold) return undefined;
  const distance = (region.width * region.height * unclipRatio) / (2 * (region.width + region.height));
  const box = grow(region, distance);
  if (Math.min(box.width, box.height) < minBoxSide) return undefined;
  const scale = ([x, y]: Point): Point => [
    clamp(Math.round((x * picture.width) / map.width), picture.width),
    clamp(Math.round((y * picture.height) / map.height), picture.height),
  ];
  const [tl, tr, br, bl] = cornersOf(box);
  return { points: [scale(tl), scale(tr), scale(br), scale(bl)], score: Math.round(score * 1e4) / 1e4 };
}

const clamp = (value: number, limit: number): number => Math.min(Math.max(value, 0), limit);

/** The border pixels of each 8-connected region above the threshold: all its hull can need. */
function* regions({ width, height, values }: ProbabilityMap): Iterable<Point[]> {
  const seen = new Uint8Array(width * height);
  const isText = (x: number, y: number): boolean =>
    x >= 0 && y >= 0 && x < width && y < height && (values[y * width + x] as number) > textThreshold;
  for (let start = 0; start < values.length; start += 1) {
    if (seen[start] === 0 && (values[start] as number) > textThreshold) yield borderOf(start, { width, seen, isText });
  }
}

interface Grid {
  readonly width: number;
  /** 1 for pixels that belong to a region already found. */
  readonly seen: Uint8Array;
  readonly isText: (x: number, y: number) => boolean;
}

function borderOf(start: number, { width, seen, isText }: Grid): Point[] {
  const border: Point[] = [];
  const stack = [start];
  seen[start] = 1;
  for (let index = stack.pop(); index !== undefined; index = stack.pop()) {
    const x = index % width;
    const y = (index - x) / width;
    if (!isText(x - 1, y) || !isText(x + 1, y) || !isText(x, y - 1) || !isText(x, y + 1)) border.push([x, y]);
    for (const [nx, ny] of neighbours(x, y)) {
      if (!isText(nx, ny) || seen[ny * width + nx] === 1) continue;
      seen[ny * width + nx] = 1;
      stack.push(ny * width + nx);
    }
  }
  return border;
}

function neighbours(x: number, y: number): Point[] {
  return [
    [x - 1, y - 1],
    [x, y - 1],
    [x + 1, y - 1],
    [x - 1, y],
    [x + 1, y],
    [x - 1, y + 1],
    [x, y + 1],
    [x + 1, y + 1],
  ];
}

function meanInside(map: ProbabilityMap, rectangle: Rectangle): number {
  const corners = cornersOf(rectangle);
  const bound = (axis: 0 | 1, limit: number): [number, number] => {
    const values = corners.map((corner) => corner[axis]);
    return [Math.max(0, Math.floor(Math.min(...values))), Math.min(limit - 1, Math.ceil(Math.max(...values)))];
  };
  const [[left, right], [top, bottom]] = [bound(0, map.width), bound(1, map.height)];
  let [sum, count] = [0, 0];
  for (let y = top; y <= bottom; y += 1) {
    for (let x = left; x <= right; x += 1) {
      if (!contains(rectangle, x, y)) continue;
      sum += map.values[y * map.width + x] as number;
      count += 1;
    }
  }
  return count === 0 ? 0 : sum / count;
}

/** Boxes whose middles are within half a line's height of each other are one row. */
function readingOrder(boxes: readonly TextBox[]): TextBox[] {
  const middle = ({ points }: TextBox): number => (points[0][1] + points[3][1]) / 2;
  const height = ({ points }: TextBox): number => Math.abs(points[3][1] - points[0][1]);
  const rows: TextBox[][] = [];
  for (const box of [...boxes].sort((a, b) => middle(a) - middle(b))) {
    const row = rows.at(-1);
    const first = row?.[0];
    if (row && first && middle(box) - middle(first) < Math.min(height(box), height(first)) / 2) row.push(box);
    else rows.push([box]);
  }
  return rows.flatMap((row) => row.sort((a, b) => a.points[0][0] - b.points[0][0]));
}
