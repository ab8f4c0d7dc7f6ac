/**
 * Reads a picture's kind and size from its first bytes, without decoding: enough to refuse a bomb, a truncated PNG or a
 * file that is no picture before it reaches an engine. PNG, JPEG and WebP. The decoder has its own limits behind this.
 */
import { CogmeshError } from '@cogmesh/errors';

export interface ImageHeader {
  readonly mediaType: 'image/png' | 'image/jpeg' | 'image/webp';
  readonly width: number;
  readonly height: number;
}

/** Pixels of one picture: 40 megapixels, 120 MB once decoded. */
export const maxImagePixels = 40_000_000;

/** Throws `invalid_image` for anything that is not a complete picture of a sane size. */
export function checkImage(bytes: Uint8Array): ImageHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const header = readPng(view) ?? readJpeg(view) ?? readWebp(view);
  if (!header) throw invalidImage('it is no PNG, JPEG or WebP picture');
  if (header.width === 0 || header.height === 0) throw invalidImage('it has no pixels');
  if (header.width * header.height > maxImagePixels) {
    const { width, height } = header;
    throw new CogmeshError(
      'invalid_image',
      `the picture has ${width} x ${height} pixels, at most ${maxImagePixels} are accepted`,
      {
        width,
        height,
        limit: maxImagePixels,
      },
    );
  }
  return header;
}

/** The error for a picture that cannot be read. */
export function invalidImage(reason: string): CogmeshError {
  return new CogmeshError('invalid_image', `the picture cannot be read: ${reason}`, { reason });
}

const pngSignature = [0x89504e47, 0x0d0a1a0a] as const;
const pngChunkOverheadBytes = 12;

function readPng(view: DataView): ImageHeader | undefined {
  if (view.byteLength < 33 || view.getUint32(0) !== pngSignature[0] || view.getUint32(4) !== pngSignature[1])
    return undefined;
  if (tagAt(view, 12) !== 'IHDR') throw invalidImage('its first PNG chunk is not IHDR');
  checkPngIsWhole(view);
  return { mediaType: 'image/png', width: view.getUint32(16), height: view.getUint32(20) };
}

/** Walks the chunks to IEND; a file cut short has none. */
function checkPngIsWhole(view: DataView): void {
  let offset = 8;
  while (offset + pngChunkOverheadBytes <= view.byteLength) {
    if (tagAt(view, offset + 4) === 'IEND') return;
    offset += pngChunkOverheadBytes + view.getUint32(offset);
  }
  throw invalidImage('the PNG ends before its last chunk (truncated)');
}

function readJpeg(view: DataView): ImageHeader | undefined {
  if (view.byteLength < 4 || view.getUint16(0) !== 0xffd8) return undefined;
  let offset = 2;
  while (offset + 9 <= view.byteLength) {
    if (view.getUint8(offset) !== 0xff) throw invalidImage('a JPEG marker is missing');
    const marker = view.getUint8(offset + 1);
    if (marker === 0xff) offset += 1;
    else if (isFrameHeader(marker))
      return { mediaType: 'image/jpeg', width: view.getUint16(offset + 7), height: view.getUint16(offset + 5) };
    else offset += 2 + view.getUint16(offset + 2);
  }
  throw invalidImage('the JPEG ends before its frame header (truncated)');
}

/** SOF0 to SOF15 without the tables that share the range (DHT, JPG, DAC). */
function isFrameHeader(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

function readWebp(view: DataView): ImageHeader | undefined {
  if (view.byteLength < 30 || tagAt(view, 0) !== 'RIFF' || tagAt(view, 8) !== 'WEBP') return undefined;
  if (view.getUint32(4, true) + 8 > view.byteLength) throw invalidImage('the WebP ends early (truncated)');
  const mediaType = 'image/webp';
  switch (tagAt(view, 12)) {
    case 'VP8 ':
      return { mediaType, width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
    case 'VP8L': {
      const bits = view.getUint32(21, true);
      return { mediaType, width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
    }
    case 'VP8X':
      return { mediaType, width: uint24(view, 24) + 1, height: uint24(view, 27) + 1 };
    default:
      throw invalidImage('its WebP chunk is unknown');
  }
}

function uint24(view: DataView, offset: number): number {
  return view.getUint16(offset, true) + (view.getUint8(offset + 2) << 16);
}

function tagAt(view: DataView, offset: number): string {
  return String.fromCharCode(
    view.getUint8(offset),
    view.getUint8(offset + 1),
    view.getUint8(offset + 2),
    view.getUint8(offset + 3),
  );
}
