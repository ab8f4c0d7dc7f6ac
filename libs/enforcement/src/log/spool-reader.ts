/** Reads whole lines of a spool's file from a place on, as many as fit one message. */
import { open } from 'node:fs/promises';
import { batchBytesMax, batchRecordsMax } from './limits.js';
import { recordOf, type SpooledRecord } from './segment.js';

export interface ReadableSegment {
  readonly file: string;
  readonly path: string;
  /** Nothing is read beyond. */
  readonly bytes: number;
}

interface ReadLines {
  readonly records: readonly SpooledRecord[];
  /** Where the next line begins. */
  readonly end: number;
  /** Lines whose checksum is wrong, left out. */
  readonly damaged: number;
}

export interface SpoolBatch extends ReadLines {
  readonly spoolId: string;
  readonly file: string;
}

const newline = 0x0a;

/** No records and `end` at `bytes`: there is nothing more in this file. What follows the last line break was cut off by a crash. */
export async function readBatch(segment: ReadableSegment, offset: number): Promise<ReadLines> {
  const length = Math.min(segment.bytes - offset, batchBytesMax);
  if (length <= 0) return { records: [], end: offset, damaged: 0 };
  const bytes = await readAt(segment.path, offset, length);
  const records: SpooledRecord[] = [];
  let damaged = 0;
  let start = 0;
  while (records.length < batchRecordsMax) {
    const end = bytes.indexOf(newline, start);
    if (end === -1) break;
    const record = recordOf(bytes.toString('utf8', start, end));
    if (record === undefined) damaged += 1;
    else records.push(record);
    start = end + 1;
  }
  if (start > 0) return { records, end: offset + start, damaged };
  // No line break in all of it: cut off by a crash, or longer than any line that was written.
  return { records, end: offset + length, damaged: 1 };
}

async function readAt(path: string, offset: number, length: number): Promise<Buffer> {
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.allocUnsafe(length);
    let read = 0;
    while (read < length) {
      const { bytesRead } = await file.read(buffer, read, length - read, offset + read);
      if (bytesRead === 0) break;
      read += bytesRead;
    }
    return buffer.subarray(0, read);
  } finally {
    await file.close();
  }
}
