/**
 * The hash chain of one organisation: each hash is over the organisation, the place, the hash before and the entry's bytes, so that
 * no entry can be changed, moved, left out or put in without every later hash changing. Whoever kept an earlier hash can prove it.
 */
import { hash } from 'node:crypto';
import { encodeFields } from './entry-codec.js';

const domain = 'cogmesh.audit.chain.v1';

/** Hash before the first entry of an organisation: of its name alone, so that no two chains begin alike. */
export function genesisOf(organisation: string): Buffer {
  return sha256([encodeFields([domain, 'genesis', organisation])]);
}

export interface Place {
  readonly organisation: string;
  /** From 1 without gaps. */
  readonly position: number;
  /** 32 bytes. */
  readonly previous: Uint8Array;
}

/** 32 bytes. */
export function hashEntry({ organisation, position, previous }: Place, bytes: Uint8Array): Buffer {
  const place = encodeFields([domain, 'entry', organisation, String(position)]);
  return sha256([place, lengthOf(previous), previous, lengthOf(bytes), bytes]);
}

function sha256(parts: readonly Uint8Array[]): Buffer {
  return hash('sha256', Buffer.concat(parts), 'buffer');
}

function lengthOf(bytes: Uint8Array): Buffer {
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32BE(bytes.length);
  return length;
}
