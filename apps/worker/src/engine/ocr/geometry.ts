/** Plane geometry for text boxes: convex hull, smallest enclosing rectangle, growing and ordering of rectangles. */
import type { Point } from '../protocol.js';

/** A rectangle at any angle: centre, unit vector along its first side, and the two side lengths. */
export interface Rectangle {
  readonly centre: Point;
  readonly axis: Point;
  readonly width: number;
  readonly height: number;
}

export type Corners = readonly [Point, Point, Point, Point];

/** Andrew's monotone chain; counter-clockwise, no three points in line. */
export function convexHull(points: readonly Point[]): Point[] {
  const sorted = [...points].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  if (sorted.length < 3) return sorted;
  const lower = halfHull(sorted);
  const upper = halfHull(sorted.reverse());
  return [...lower.slice(0, -1), ...upper.slice(0, -1)];
}

function halfHull(sorted: readonly Point[]): Point[] {
  const hull: Point[] = [];
  for (const point of sorted) {
    while (hull.length >= 2 && turn(hull.at(-2) as Point, hull.at(-1) as Point, point) <= 0) hull.pop();
    hull.push(point);
  }
  return hull;
}

function turn(a: Point, b: Point, c: Point): number {
  return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
}

/** The enclosing rectangle of least area; one of its sides lies on a side of the hull (rotating calipers). */
export function minAreaRectangle(points: readonly Point[]): Rectangle {
  const hull = convexHull(points);
  let best = alongAxis(hull, [1, 0]);
  hull.forEach((point, index) => {
    const next = hull[(index + 1) % hull.length] as Point;
    const length = Math.hypot(next[0] - point[0], next[1] - point[1]);
    if (length === 0) return;
    const candidate = alongAxis(hull, [(next[0] - point[0]) / length, (next[1] - point[1]) / length]);
    if (candidate.width * candidate.height < best.width * best.height) best = candidate;
  });
  return best;
}

function alongAxis(points: readonly Point[], axis: Point): Rectangle {
  let [minU, maxU, minV, maxV] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const [x, y] of points) {
    const u = x * axis[0] + y * axis[1];
    const v = y * axis[0] - x * axis[1];
    minU = Math.min(minU, u);
    maxU = Math.max(maxU, u);
    minV = Math.min(minV, v);
    maxV = Math.max(maxV, v);
  }
  const [u, v] = [(minU + maxU) / 2, (minV + maxV) / 2];
  return {
    axis,
    centre: [u * axis[0] - v * axis[1], u * axis[1] + v * axis[0]],
    width: maxU - minU,
    height: maxV - minV,
  };
}

/** Moves every side out by the distance. */
export function grow(rectangle: Rectangle, distance: number): Rectangle {
  return { ...rectangle, width: rectangle.width + 2 * distance, height: rectangle.height + 2 * distance };
}

/** Corners as top left, top right, bottom right, bottom left: by x, then each pair by y, as PaddleOCR orders them. */
export function cornersOf({ centre, axis, width, height }: Rectangle): Corners {
  const corner = (u: number, v: number): Point => [
    centre[0] + u * axis[0] - v * axis[1],
    centre[1] + u * axis[1] + v * axis[0],
  ];
  const [w, h] = [width / 2, height / 2];
  const byX = [corner(-w, -h), corner(w, -h), corner(w, h), corner(-w, h)].sort((a, b) => a[0] - b[0]);
  const [left, right] = [byX.slice(0, 2), byX.slice(2)].map((pair) => pair.sort((a, b) => a[1] - b[1]));
  return [left?.[0], right?.[0], right?.[1], left?.[1]] as unknown as Corners;
}

/** Whether the point lies in the rectangle or on its edge. */
export function contains({ centre, axis, width, height }: Rectangle, x: number, y: number): boolean {
  const [dx, dy] = [x - centre[0], y - centre[1]];
  return Math.abs(dx * axis[0] + dy * axis[1]) <= width / 2 && Math.abs(dy * axis[0] - dx * axis[1]) <= height / 2;
}
