/**
 * Records on disk until the policy service has them: files that only grow, of which the finished ones are removed once everything in them was
 * accepted. Each start of a process is a spool of its own, with sequences from 1, so that nothing depends on reading back what a
 * crash left; what it left is shipped like the rest, before it. A record is in the spool when `append` has answered, and not before.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rm, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '@cogmesh/telemetry';
import { segmentShare } from './limits.js';
import { fileNameOf, lineOf, segmentNameOf, type SegmentName } from './segment.js';
import { readBatch, type ReadableSegment, type SpoolBatch } from './spool-reader.js';

export interface SpoolOptions {
  /** Made when it is not there; no other process may use it. */
  readonly dir: string;
  /** Bytes of all files together, as `hasRoom` answers; whoever appends has asked. */
  readonly maxBytes: number;
  /** Whether `append` waits for the disk itself. */
  readonly sync: boolean;
  readonly logger: Logger;
}

/** Position in the spool of somebody who reads it. */
interface Cursor {
  file: string;
  offset: number;
}

interface Segment extends ReadableSegment, SegmentName {
  /** Bytes that are certainly written; nothing is read beyond. */
  bytes: number;
  /** Sequence of the last record; of files that a crash left it is known when they were read. */
  last: number | undefined;
}

export class Spool {
  readonly id = `${Date.now().toString(16).padStart(12, '0')}${randomBytes(10).toString('hex')}`;
  readonly #options: SpoolOptions;
  /** In the order of their records. */
  readonly #segments: Segment[];
  #file: FileHandle | undefined;
  #next = 1;
  #cursor: Cursor | undefined;

  private constructor(options: SpoolOptions, left: Segment[]) {
    this.#options = options;
    this.#segments = left;
  }

  /** With what earlier processes left. Throws what the disk throws when the folder cannot be made or read. */
  static async open(options: SpoolOptions): Promise<Spool> {
    await mkdir(options.dir, { recursive: true, mode: 0o700 });
    const left: Segment[] = [];
    for (const file of (await readdir(options.dir)).sort()) {
      const name = segmentNameOf(file);
      if (name === undefined) continue;
      const path = join(options.dir, file);
      left.push({ ...name, file, path, bytes: (await stat(path)).size, last: undefined });
    }
    return new Spool(options, left);
  }

  get bytes(): number {
    return this.#segments.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Whether so many bytes more fit into this part (1: all) of the spool. */
  hasRoom(bytes: number, share = 1): boolean {
    return this.bytes + bytes <= this.#options.maxBytes * share;
  }

  /**
   * Writes the records as one, one call at a time. Throws what the disk throws; none of them counts then, whatever of them may be on the disk.
   */
  async append(records: readonly string[]): Promise<void> {
    const first = this.#next;
    this.#next += records.length;
    const lines = Buffer.from(records.map((json, i) => lineOf({ sequence: first + i, json })).join(''));
    const segment = await this.#live(first);
    const file = this.#file!;
    try {
      await writeAll(file, lines, segment.bytes);
      if (this.#options.sync) await file.datasync();
    } catch (error) {
      await this.#leave(segment);
      throw error;
    }
    segment.bytes += lines.length;
    segment.last = this.#next - 1;
    if (segment.bytes >= this.#options.maxBytes * segmentShare) await this.#finish();
  }

  /** What comes next, undefined when all was read. Reading again answers the same until `accept` or `rewind`. */
  async read(): Promise<SpoolBatch | undefined> {
    for (;;) {
      const at = this.#reading();
      if (at === undefined) return undefined;
      const { segment, offset } = at;
      const batch = await readBatch(segment, offset).catch((error: unknown) => this.#gone(segment, error));
      if (batch === undefined) continue;
      if (batch.damaged > 0) {
        const evidence = { file: segment.path, lines: batch.damaged, offset };
        this.#options.logger.error(evidence, 'the decision log has damaged lines; their decisions are lost');
      }
      if (batch.records.length > 0) return { ...batch, spoolId: segment.spoolId, file: segment.file };
      if (batch.end >= segment.bytes && segment !== this.#segments.at(-1)) await this.#drop(segment);
      else if (batch.end > offset) this.#cursor = { file: segment.file, offset: batch.end };
      else return undefined;
    }
  }

  /** The batch was taken: files of which nothing is left are removed. */
  async accept({ file, end, records }: SpoolBatch): Promise<void> {
    const index = this.#segments.findIndex((segment) => segment.file === file);
    const segment = this.#segments[index];
    if (segment === undefined) return;
    this.#cursor = { file, offset: end };
    segment.last ??= records.at(-1)?.sequence;
    const isFinished = segment !== this.#segments.at(-1) || this.#file === undefined;
    if (isFinished && end >= segment.bytes) await this.#drop(segment);
  }

  /** Starts reading again at the oldest record that is kept. */
  rewind(): void {
    this.#cursor = undefined;
  }

  /** Closes the file; removes it when all of it was accepted. */
  async close(): Promise<void> {
    await this.#finish();
    const at = this.#reading();
    if (at !== undefined && at.offset >= at.segment.bytes) await this.#drop(at.segment);
  }

  /** A file that somebody removed cannot be waited for. */
  async #gone(segment: Segment, error: unknown): Promise<undefined> {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    this.#options.logger.error({ file: segment.path }, 'a file of the decision log is gone; its decisions are lost');
    if (segment === this.#segments.at(-1)) await this.#finish();
    await this.#drop(segment);
  }

  #reading(): { segment: Segment; offset: number } | undefined {
    const cursor = this.#cursor;
    const segment =
      this.#segments.find(({ file }) => cursor === undefined || file === cursor.file) ?? this.#segments[0];
    return segment && { segment, offset: segment.file === cursor?.file ? cursor.offset : 0 };
  }

  async #live(first: number): Promise<Segment> {
    const last = this.#segments.at(-1);
    if (this.#file !== undefined && last !== undefined) return last;
    const name = { spoolId: this.id, first };
    const file = fileNameOf(name);
    const path = join(this.#options.dir, file);
    this.#file = await open(path, 'wx', 0o600);
    if (this.#options.sync) await syncFolder(this.#options.dir);
    const segment = { ...name, file, path, bytes: 0, last: undefined };
    this.#segments.push(segment);
    return segment;
  }

  async #finish(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  /** After a failed write nobody knows what the file holds: it ends where it was certain, and the next record gets another. */
  async #leave(segment: Segment): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.truncate(segment.bytes).catch(ignore);
    await file?.close().catch(ignore);
    if (segment.bytes === 0) await this.#drop(segment).catch(ignore);
  }

  async #drop(segment: Segment): Promise<void> {
    await rm(segment.path, { force: true });
    const index = this.#segments.indexOf(segment);
    if (index !== -1) this.#segments.splice(index, 1);
    if (this.#cursor?.file === segment.file) this.#cursor = undefined;
  }
}

/** What is tidied up after a failure is not worth another. */
const ignore = (): void => {};

async function writeAll(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    written += (await file.write(bytes, written, bytes.length - written, position + written)).bytesWritten;
  }
}

/** The name of a new file is only certain once its folder is. */
async function syncFolder(dir: string): Promise<void> {
  const folder = await open(dir, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
