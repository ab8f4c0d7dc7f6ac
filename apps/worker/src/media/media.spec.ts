import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkImage, maxImagePixels } from './image-header.js';
import { finish, listen, silent, type Segment } from './speech-segments.js';
import { readWav, sampleRateHz } from './wav.js';

const demo = (name: string): Uint8Array => readFileSync(new URL(`../../../../deploy/demo/${name}`, import.meta.url));
const code = (act: () => unknown): string => {
  try {
    act();
    return 'accepted';
  } catch (error) {
    return (error as { code: string }).code;
  }
};

/** A PNG of this size by its header alone: what an image bomb looks like from outside. */
function pngHeader(width: number, height: number): Buffer {
  const chunk = (tag: string, body: Buffer): Buffer => {
    const head = Buffer.alloc(8);
    head.writeUInt32BE(body.length);
    head.write(tag, 4, 'latin1');
    return Buffer.concat([head, body, Buffer.alloc(4)]);
  };
  const size = Buffer.alloc(13);
  size.writeUInt32BE(width, 0);
  size.writeUInt32BE(height, 4);
  return Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), chunk('IHDR', size), chunk('IEND', Buffer.alloc(0))]);
}

describe('image header', () => {
  const size = { width: 123, height: 45 };
  let pictures: Record<'image/png' | 'image/jpeg' | 'image/webp' | 'lossless', Buffer>;
  beforeAll(async () => {
    const plain = sharp({ create: { ...size, channels: 3, background: '#fff' } });
    pictures = {
      'image/png': await plain.clone().png().toBuffer(),
      'image/jpeg': await plain.clone().jpeg({ progressive: true }).toBuffer(),
      'image/webp': await plain.clone().webp().toBuffer(),
      lossless: await plain.clone().webp({ lossless: true }).toBuffer(),
    };
  });

  it('reads kind and size as the decoder does', () => {
    expect(checkImage(pictures['image/png'])).toEqual({ mediaType: 'image/png', ...size });
    expect(checkImage(pictures['image/jpeg'])).toEqual({ mediaType: 'image/jpeg', ...size });
    expect(checkImage(pictures['image/webp'])).toEqual({ mediaType: 'image/webp', ...size });
    expect(checkImage(pictures.lossless)).toEqual({ mediaType: 'image/webp', ...size });
    expect(checkImage(demo('invoice.png'))).toEqual({ mediaType: 'image/png', width: 1200, height: 920 });
  });

  it('refuses a bomb by its header, and accepts the largest picture', () => {
    expect(code(() => checkImage(pngHeader(65_535, 65_535)))).toBe('invalid_image');
    expect(code(() => checkImage(pngHeader(maxImagePixels, 1)))).toBe('accepted');
    expect(code(() => checkImage(pngHeader(maxImagePixels + 1, 1)))).toBe('invalid_image');
    expect(code(() => checkImage(pngHeader(0, 5)))).toBe('invalid_image');
  });

  it('refuses a PNG cut short anywhere', () => {
    const png = pictures['image/png'];
    fc.assert(
      fc.property(fc.integer({ min: 0, max: png.length - 13 }), (length) => {
        expect(code(() => checkImage(png.subarray(0, length)))).toBe('invalid_image');
      }),
    );
  });

  it('answers every byte string with a header or invalid_image', () => {
    const starts = fc.constantFrom(
      ...['', '89504e470d0a1a0a', 'ffd8ff', '52494646'].map((hex) => Buffer.from(hex, 'hex')),
    );
    fc.assert(
      fc.property(starts, fc.uint8Array({ maxLength: 80 }), (start, rest) => {
        expect(['accepted', 'invalid_image']).toContain(code(() => checkImage(Buffer.concat([start, rest]))));
      }),
    );
    expect(code(() => checkImage(demo('speech.wav')))).toBe('invalid_image');
  });
});

describe('WAV', () => {
  const wav = demo('speech.wav');
  const changed = (at: number, value: number, bytes: 2 | 4): Buffer => {
    const copy = Buffer.from(wav);
    if (bytes === 2) copy.writeUInt16LE(value, at);
    else copy.writeUInt32LE(value, at);
    return copy;
  };

  it('reads the samples', () => {
    expect(readWav(wav).length / sampleRateHz).toBeCloseTo(8.187, 3);
  });

  it.each([
    ['another format', changed(20, 3, 2)],
    ['two channels', changed(22, 2, 2)],
    ['44.1 kHz', changed(24, 44_100, 4)],
    ['8 bits', changed(34, 8, 2)],
    ['data that ends early', wav.subarray(0, wav.length - 2)],
    ['no data', wav.subarray(0, 36)],
    ['a picture', demo('invoice.png')],
    ['nothing', new Uint8Array(0)],
  ])('refuses %s', (_, bytes) => {
    expect(code(() => readWav(bytes))).toBe('invalid_audio');
  });

  it('says what was expected and what came', () => {
    expect(() => readWav(changed(24, 44_100, 4))).toThrow(/expected PCM, 1 channel, 16000 Hz, 16 bits, got .*44100 Hz/);
  });
});

describe('speech segments', () => {
  /** Windows of 32 ms. */
  const hear = (probabilities: readonly number[]): Segment[] => {
    const state = silent();
    const closed = probabilities.map((probability) => listen(state, probability, 32));
    return [...closed, finish(state)].filter((segment) => segment !== undefined);
  };
  const times = (count: number, value: number): number[] => Array<number>(count).fill(value);

  it('ends speech after 400 ms of silence, padded by 30 ms', () => {
    expect(hear([...times(10, 0), ...times(20, 0.9), ...times(13, 0.1)])).toEqual([{ startMs: 290, endMs: 990 }]);
  });

  it('bridges a shorter pause and a doubtful stretch', () => {
    expect(hear([...times(20, 0.9), ...times(12, 0.1), ...times(10, 0.9), ...times(13, 0.1)])).toHaveLength(1);
    expect(hear([...times(20, 0.9), ...times(40, 0.4), ...times(10, 0.9), ...times(13, 0.1)])).toHaveLength(1);
  });

  it('drops what is shorter than 250 ms', () => {
    expect(hear([...times(10, 0), ...times(7, 0.9), ...times(20, 0)])).toEqual([]);
  });

  it('closes speech that lasts to the end', () => {
    expect(hear([...times(5, 0), ...times(20, 0.9)])).toEqual([{ startMs: 130, endMs: 800 }]);
  });
});
