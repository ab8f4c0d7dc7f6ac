/**
 * A row of the decision log: some entries of one organisation in a row, each as the length of its bytes, the bytes, and its hash. Only
 * as many as the columns beside say; nothing here trusts what was stored.
 */
import { CogmeshError } from '@cogmesh/errors';
import { hashEntry } from './chain.js';

export interface BlockEntry {
  /** Canonical bytes. */
  readonly bytes: Buffer;
  /** 32 bytes. */
  readonly hash: Buffer;
}

/** What is stored. */
export interface Block {
  readonly organisation: string;
  readonly firstPosition: number;
  readonly lastPosition: number;
  /** Earliest and latest decision in it, milliseconds since 1970. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Hash before its first entry, and of its last; 32 bytes. */
  readonly previous: Buffer;
  readonly hash: Buffer;
  readonly content: Buffer;
}

/** Where a chain ends. */
export interface Head {
  /** 0 before the first entry. */
  readonly position: number;
  readonly hash: Buffer;
}

export interface NewEntry {
  readonly atMs: number;
  readonly bytes: Buffer;
}

/** The next block of a chain. There must be at least one entry. */
export function chainBlock(organisation: string, head: Head, entries: readonly NewEntry[]): Block {
  const parts: Buffer[] = [];
  let { position, hash } = head;
  for (const { bytes } of entries) {
    position += 1;
    hash = hashEntry({ organisation, position, previous: hash }, bytes);
    const length = Buffer.allocUnsafe(4);
    length.writeUInt32BE(bytes.length);
    parts.push(length, bytes, hash);
  }
  const times = entries.map(({ atMs }) => atMs);
  return {
    organisation,
    firstPosition: head.position + 1,
    lastPosition: position,
    fromMs: Math.min(...times),
    toMs: Math.max(...times),
    previous: head.hash,
    hash,
    content: Buffer.concat(parts),
  };
}

const hashBytes = 32;

/** `data_loss` when the content is not what a block holds. */
export function blockEntries({ content }: Pick<Block, 'content'>): BlockEntry[] {
  const entries: BlockEntry[] = [];
  let at = 0;
  while (at < content.length) {
    const start = at + 4;
    const end = start > content.length ? start : start + content.readUInt32BE(at);
    at = end + hashBytes;
    if (at > content.length) throw new CogmeshError('data_loss', 'the stored bytes end in the middle of an entry');
    entries.push({ bytes: content.subarray(start, end), hash: content.subarray(end, at) });
  }
  return entries;
}
