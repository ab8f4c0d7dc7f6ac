import { readFile } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { demoFile } from './world.js';

/** A complete PNG whose header declares `size` x `size` pixels; its data is a few bytes. */
export function bombPng(size: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(size, 0);
  header.writeUInt32BE(size, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', Buffer.alloc(8)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(tag: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(tag, 'latin1'), data]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length, 0);
  frame.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
}

/** The first half of the demo's invoice. */
export async function truncatedPng(): Promise<Buffer> {
  const whole = await readFile(demoFile('invoice.png'));
  return whole.subarray(0, Math.floor(whole.length / 2));
}
