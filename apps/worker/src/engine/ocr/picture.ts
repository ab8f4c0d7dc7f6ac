/** Decoding and scaling of pictures by sharp, single-threaded: an engine has one core. */
import sharp from 'sharp';
import { checkImage, invalidImage, maxImagePixels } from '../../media/image-header.js';

sharp.concurrency(1);
sharp.cache(false);

export interface Picture {
  readonly width: number;
  readonly height: number;
  /** Row-major, 3 bytes per pixel. */
  readonly rgb: Uint8Array;
}

/** Upright, on white where it was transparent. `invalid_image` for what does not decode completely. */
export async function decodeImage(bytes: Uint8Array): Promise<Picture> {
  checkImage(bytes);
  try {
    const { data, info } = await sharp(bytes, { limitInputPixels: maxImagePixels, failOn: 'error', pages: 1 })
      .autoOrient()
      .flatten({ background: '#ffffff' })
      .toColourspace('srgb')
      .raw()
      .toBuffer({ resolveWithObject: true });
    return {
      width: info.width,
      height: info.height,
      rgb: info.channels === 3 ? data : threeChannels(data, info.channels),
    };
  } catch (thrown) {
    throw invalidImage(thrown instanceof Error ? (thrown.message.split('\n')[0] ?? '') : String(thrown));
  }
}

/** The picture at another size, sides scaled independently, linear. */
export async function resize(picture: Picture, width: number, height: number): Promise<Picture> {
  const raw = { width: picture.width, height: picture.height, channels: 3 as const };
  const rgb = await sharp(picture.rgb, { raw })
    .resize(width, height, { fit: 'fill', kernel: 'linear' })
    .raw()
    .toBuffer();
  return { width, height, rgb };
}

function threeChannels(data: Uint8Array, channels: number): Uint8Array {
  const pixels = data.byteLength / channels;
  const rgb = new Uint8Array(pixels * 3);
  for (let pixel = 0; pixel < pixels; pixel += 1) rgb.fill(data[pixel * channels] ?? 0, pixel * 3, pixel * 3 + 3);
  return rgb;
}
