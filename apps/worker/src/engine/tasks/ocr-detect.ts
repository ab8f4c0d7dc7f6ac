/** Finds lines of text: picture -> probability map -> boxes, as PP-OCRv4's detector is meant to be fed. */
import { Tensor } from 'onnxruntime-node';
import { resize, type Picture } from '../ocr/picture.js';
import { textBoxes } from '../ocr/text-boxes.js';
import { oneByOne, wrongTask, type TaskContext, type TaskRunner } from './task.js';

/** The longer side is brought down to this, pixels; both sides become multiples of the network's stride. */
const maxSide = 960;
const stride = 32;
/** ImageNet's mean and deviation, in the order the channels are fed. */
const mean = [0.485, 0.456, 0.406] as const;
const deviation = [0.229, 0.224, 0.225] as const;

export function ocrDetectTask({ session, shelf, model }: TaskContext): TaskRunner {
  return oneByOne(async (item) => {
    if (item.task !== 'ocr.detect') throw wrongTask(model, item);
    const picture = await shelf.pictureOf(item.image);
    const scaled = await resize(picture, ...networkSize(picture));
    const input = new Tensor('float32', normalised(scaled), [1, 3, scaled.height, scaled.width]);
    const outputs = await session.run({ [session.inputNames[0] as string]: input });
    const values = outputs[session.outputNames[0] as string]?.data as Float32Array;
    const boxes = textBoxes({ width: scaled.width, height: scaled.height, values }, picture);
    return { kind: 'json', value: { width: picture.width, height: picture.height, boxes } };
  });
}

function networkSize({ width, height }: Picture): [width: number, height: number] {
  const scale = Math.min(1, maxSide / Math.max(width, height));
  const side = (pixels: number): number => Math.max(stride, Math.round((pixels * scale) / stride) * stride);
  return [side(width), side(height)];
}

/** Blue, green, red planes of (v/255 - mean) / deviation. */
function normalised({ width, height, rgb }: Picture): Float32Array {
  const size = width * height;
  const planes = new Float32Array(3 * size);
  for (let channel = 0; channel < 3; channel += 1) {
    const [m, d] = [mean[channel] as number, deviation[channel] as number];
    const [scale, shift] = [1 / (255 * d), m / d];
    const plane = channel * size;
    for (let pixel = 0; pixel < size; pixel += 1)
      planes[plane + pixel] = (rgb[3 * pixel + 2 - channel] as number) * scale - shift;
  }
  return planes;
}
