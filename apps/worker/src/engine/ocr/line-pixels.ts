/**
 * Cuts one line of text out of a picture and lays it flat as the recogniser's input: 48 pixels high, channels apart,
 * (v/255 - 0.5)/0.5. The quadrilateral is sampled bilinearly at the target size; where that shrinks it, several samples
 * are averaged per pixel.
 */
import { CogmeshError } from '@cogmesh/errors';
import type { Point, TextBox } from '../protocol.js';
import type { Picture } from './picture.js';

const lineHeight = 48;
/** Narrowest and widest line, pixels at that height. */
const minLineWidth = 16;
const maxLineWidth = 8192;
/** A box this much higher than wide is text that runs downwards: it is turned by 90 degrees. */
const uprightRatio = 1.5;

export interface LinePixels {
  readonly width: number;
  readonly height: typeof lineHeight;
  /** Blue, green, red planes, each row-major. */
  readonly planes: Float32Array;
}

/** Throws `invalid_input` for a box without area or absurdly long. */
export function linePixels(picture: Picture, box: TextBox): LinePixels {
  const corners = upright(box.points);
  const [length, thickness] = sides(corners);
  const width = Math.max(minLineWidth, Math.ceil((lineHeight * length) / thickness));
  if (!(length >= 1 && thickness >= 1) || width > maxLineWidth) {
    throw new CogmeshError(
      'invalid_input',
      `a box of ${length.toFixed(1)} x ${thickness.toFixed(1)} pixels holds no line of text`,
      { box },
    );
  }
  const samples = Math.max(1, Math.min(8, Math.round(thickness / lineHeight)));
  return { width, height: lineHeight, planes: sample(picture, { corners, width, samples }) };
}

type Corners = TextBox['points'];

const distance = (a: Point, b: Point): number => Math.hypot(a[0] - b[0], a[1] - b[1]);

/** The longer of each pair of opposite sides. */
function sides([tl, tr, br, bl]: Corners): [along: number, across: number] {
  return [Math.max(distance(tl, tr), distance(bl, br)), Math.max(distance(tl, bl), distance(tr, br))];
}

function upright(corners: Corners): Corners {
  const [along, across] = sides(corners);
  if (across / along < uprightRatio) return corners;
  const [tl, tr, br, bl] = corners;
  return [tr, br, bl, tl];
}

function sample(picture: Picture, line: { corners: Corners; width: number; samples: number }): Float32Array {
  const { corners, width, samples } = line;
  const size = width * lineHeight;
  const planes = new Float32Array(3 * size);
  const pixel = new Float64Array(3);
  const weight = 2 / (255 * samples * samples);
  for (let y = 0; y < lineHeight; y += 1) {
    for (let x = 0; x < width; x += 1) {
      pixel.fill(0);
      for (let step = 0; step < samples * samples; step += 1) {
        const u = (x + ((step % samples) + 0.5) / samples) / width;
        const v = (y + (Math.floor(step / samples) + 0.5) / samples) / lineHeight;
        addBilinear(picture, at(corners, u, v), pixel);
      }
      for (let channel = 0; channel < 3; channel += 1)
        planes[channel * size + y * width + x] = (pixel[2 - channel] as number) * weight - 1;
    }
  }
  return planes;
}

/** The point at (u, v), each 0-1, of the quadrilateral. */
function at([tl, tr, br, bl]: Corners, u: number, v: number): Point {
  const mix = (axis: 0 | 1): number =>
    (1 - v) * ((1 - u) * tl[axis] + u * tr[axis]) + v * ((1 - u) * bl[axis] + u * br[axis]);
  return [mix(0), mix(1)];
}

function addBilinear({ width, height, rgb }: Picture, [px, py]: Point, sum: Float64Array): void {
  const x = Math.min(Math.max(px - 0.5, 0), width - 1);
  const y = Math.min(Math.max(py - 0.5, 0), height - 1);
  const [x0, y0] = [Math.floor(x), Math.floor(y)];
  const [fx, fy] = [x - x0, y - y0];
  const right = x0 + 1 < width ? 3 : 0;
  const down = y0 + 1 < height ? 3 * width : 0;
  const base = 3 * (y0 * width + x0);
  for (let channel = 0; channel < 3; channel += 1) {
    const p = base + channel;
    const top = (rgb[p] as number) * (1 - fx) + (rgb[p + right] as number) * fx;
    const bottom = (rgb[p + down] as number) * (1 - fx) + (rgb[p + down + right] as number) * fx;
    sum[channel] = (sum[channel] as number) + top * (1 - fy) + bottom * fy;
  }
}
