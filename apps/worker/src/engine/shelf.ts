/**
 * Bytes the worker has put into this engine for runs to come, and pictures decoded from them, so that the lines of one
 * picture decode it once. The worker decides what lies here; decoded pictures beyond the limit are forgotten, oldest first.
 */
import { CogmeshError } from '@cogmesh/errors';
import { decodeImage, type Picture } from './ocr/picture.js';
import type { Payload } from './protocol.js';

/** Decoded pictures kept, bytes. One picture larger than this is decoded for each use. */
export const maxDecodedBytes = 64 * 1024 * 1024;

export class Shelf {
  private readonly blobs = new Map<string, Uint8Array>();
  private readonly pictures = new Map<string, Picture>();
  private decodedBytes = 0;

  put(key: string, bytes: Uint8Array): void {
    this.blobs.set(key, bytes);
  }

  clear(key: string): void {
    this.blobs.delete(key);
    this.forget(key);
  }

  bytesOf(payload: Payload): Uint8Array {
    if ('bytes' in payload) return payload.bytes;
    const bytes = this.blobs.get(payload.shelved);
    if (!bytes) throw new CogmeshError('internal', `the engine was not given ${payload.shelved}`);
    return bytes;
  }

  async pictureOf(payload: Payload): Promise<Picture> {
    const known = 'shelved' in payload ? this.pictures.get(payload.shelved) : undefined;
    if (known) return known;
    const picture = await decodeImage(this.bytesOf(payload));
    if ('shelved' in payload) this.remember(payload.shelved, picture);
    return picture;
  }

  private remember(key: string, picture: Picture): void {
    if (picture.rgb.byteLength > maxDecodedBytes) return;
    this.pictures.set(key, picture);
    this.decodedBytes += picture.rgb.byteLength;
    for (const oldest of this.pictures.keys()) {
      if (this.decodedBytes <= maxDecodedBytes) break;
      this.forget(oldest);
    }
  }

  private forget(key: string): void {
    this.decodedBytes -= this.pictures.get(key)?.rgb.byteLength ?? 0;
    this.pictures.delete(key);
  }
}
