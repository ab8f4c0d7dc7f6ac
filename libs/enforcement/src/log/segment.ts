/**
 * The lines of a spool's file: `<crc32 of the rest, 8 hexadecimal digits> <sequence> <record>\n`. A line that a crash cut off, or that the
 * disk changed, is known by its checksum and costs itself alone.
 */
import { crc32 } from 'node:zlib';

export interface SpooledRecord {
  readonly sequence: number;
  readonly json: string;
}

export function lineOf({ sequence, json }: SpooledRecord): string {
  const rest = `${sequence} ${json}`;
  return `${crc32(rest).toString(16).padStart(8, '0')} ${rest}\n`;
}

/** The record of a line without its line break; undefined when it is damaged. */
export function recordOf(line: string): SpooledRecord | undefined {
  const rest = line.slice(9);
  const space = rest.indexOf(' ');
  const sequence = Number(rest.slice(0, space));
  if (space < 1 || line[8] !== ' ' || !Number.isSafeInteger(sequence) || sequence < 1) return undefined;
  if (line.slice(0, 8) !== crc32(rest).toString(16).padStart(8, '0')) return undefined;
  return { sequence, json: rest.slice(space + 1) };
}

export interface SegmentName {
  /** Spool the records belong to: 32 hexadecimal digits, the time of its start first. */
  readonly spoolId: string;
  /** Sequence of the first record. */
  readonly first: number;
}

const sequenceDigits = 16;

export const fileNameOf = ({ spoolId, first }: SegmentName): string =>
  `${spoolId}-${String(first).padStart(sequenceDigits, '0')}.log`;

/** Undefined for a file that is none of the spool's. Names sort as their records do. */
export function segmentNameOf(file: string): SegmentName | undefined {
  const [, spoolId, first] = /^([0-9a-f]{32})-(\d{16})\.log$/.exec(file) ?? [];
  return spoolId === undefined ? undefined : { spoolId, first: Number(first) };
}
