/**
 * Whether a chain is what was written: every hash computed anew, places without gaps, both ends where the chain's row says, and,
 * when the caller kept an earlier hash, that it is still there. Says the first place at which something is wrong.
 */
import { CogmeshError } from '@cogmesh/errors';
import type { AuditStore, ChainEnds } from './audit-store.js';
import { blockEntries, type Block, type BlockEntry } from './block.js';
import { hashEntry } from './chain.js';
import { decodeEntry } from './entry-codec.js';
import { blocksAtOnce, verifyBlocksMax } from './limits.js';

export interface VerifyQuestion {
  readonly organisation: string;
  /** 0 means the oldest that is kept. */
  readonly fromPosition: number;
  /** 0 and empty when nothing was kept. */
  readonly knownPosition: number;
  readonly knownHash: string;
}

export interface Verification {
  readonly verified: number;
  /** 0 at the end and after a problem. */
  readonly nextPosition: number;
  /** The last entry that is right. */
  readonly position: number;
  readonly hash: string;
  readonly firstPosition: number;
  readonly problem: Problem | undefined;
}

export interface Problem {
  readonly position: number;
  readonly problem: string;
}

/** What is known of the chain so far. */
interface Progress {
  position: number;
  hash: Buffer;
  verified: number;
}

class Broken extends Error {
  constructor(
    readonly position: number,
    message: string,
  ) {
    super(message);
  }
}

export async function verifyAudit(store: AuditStore, question: VerifyQuestion): Promise<Verification> {
  const ends = await store.ends(question.organisation);
  if (ends === undefined) return emptyChain(question);
  const progress: Progress = { position: ends.firstPosition - 1, hash: ends.anchor, verified: 0 };
  const answer = (nextPosition: number, problem?: Problem): Verification => ({
    verified: progress.verified,
    nextPosition,
    position: progress.position,
    hash: progress.hash.toString('hex'),
    firstPosition: ends.firstPosition,
    problem,
  });
  try {
    requireKnownRange(ends, question);
    await startAt(store, question, progress);
    const isDone = await follow(store, question, progress);
    if (!isDone) return answer(progress.position + 1);
    await requireEnd(store, question, ends, progress);
    return answer(0);
  } catch (error) {
    if (!(error instanceof Broken)) throw error;
    await refuseWhileRemoved(store, question.organisation, ends);
    return answer(0, { position: error.position, problem: error.message });
  }
}

/** Follows the chain until its end (true) or as far as one call goes. */
async function follow(store: AuditStore, question: VerifyQuestion, progress: Progress): Promise<boolean> {
  const { organisation } = question;
  for (let looked = 0; looked < verifyBlocksMax; looked += blocksAtOnce) {
    const range = { organisation, from: progress.position + 1, newestFirst: false, limit: blocksAtOnce };
    const blocks = await store.blocks(range);
    for (const block of blocks) verifyBlock(block, question, progress);
    if (blocks.length < blocksAtOnce) return true;
  }
  return false;
}

function verifyBlock(block: Block, question: VerifyQuestion, progress: Progress): void {
  const expected = progress.position + 1;
  if (block.firstPosition !== expected)
    throw new Broken(expected, `entries ${String(expected)} to ${String(block.firstPosition - 1)} are missing`);
  if (!block.previous.equals(progress.hash))
    throw new Broken(expected, 'the stored hash before this entry is not the hash of the entry before');
  const times: number[] = [];
  for (const entry of contentOf(block)) times.push(verifyEntry(entry, question, progress));
  if (block.lastPosition !== progress.position || !block.hash.equals(progress.hash))
    throw new Broken(progress.position, 'entries at the end of a stored row are missing, or its last hash is another');
  if (block.fromMs !== Math.min(...times) || block.toMs !== Math.max(...times))
    throw new Broken(expected, 'the times stored beside the entries from here on are not theirs');
}

/** When it was decided. */
function verifyEntry({ bytes, hash }: BlockEntry, question: VerifyQuestion, progress: Progress): number {
  const { organisation, knownPosition, knownHash } = question;
  const position = progress.position + 1;
  const computed = hashEntry({ organisation, position, previous: progress.hash }, bytes);
  if (!computed.equals(hash)) throw new Broken(position, 'the entry or its hash was changed');
  if (position === knownPosition && computed.toString('hex') !== knownHash)
    throw new Broken(position, 'the chain up to here was written anew: the hash is not the one you kept');
  const { atMs } = readable(position, () => decodeEntry(bytes));
  progress.position = position;
  progress.hash = computed;
  progress.verified += 1;
  return atMs;
}

const contentOf = (block: Block): BlockEntry[] => readable(block.firstPosition, () => blockEntries(block));

function readable<T>(position: number, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof CogmeshError && error.code === 'data_loss') throw new Broken(position, error.message);
    throw error;
  }
}

/** A later page goes on from the hash that the page before has verified. */
async function startAt(store: AuditStore, { organisation, fromPosition }: VerifyQuestion, progress: Progress) {
  if (fromPosition <= progress.position + 1) return;
  const before = fromPosition - 1;
  const [block] = await store.blocks({ organisation, from: before, newestFirst: true, limit: 1 });
  const entry = block && contentOf(block)[before - block.firstPosition];
  if (block === undefined || entry === undefined) throw new Broken(before, 'the entry is missing');
  if (block.lastPosition !== before)
    throw new CogmeshError('invalid_argument', 'go on from `nextPosition` of the answer before');
  progress.position = before;
  progress.hash = entry.hash;
}

function requireKnownRange({ firstPosition }: ChainEnds, { knownPosition, fromPosition }: VerifyQuestion): void {
  if (knownPosition === 0 || fromPosition > 1) return;
  if (knownPosition < firstPosition)
    throw new Broken(knownPosition, `entries before ${String(firstPosition)} were removed by retention; this one too`);
}

/** The chain's row is read again, since entries may have come meanwhile. */
async function requireEnd(
  store: AuditStore,
  { organisation, knownPosition }: VerifyQuestion,
  { head }: ChainEnds,
  progress: Progress,
): Promise<void> {
  if (knownPosition > progress.position)
    throw new Broken(
      knownPosition,
      `the chain ends at ${String(progress.position)}, before the entry whose hash you kept`,
    );
  if (head.position > progress.position)
    throw new Broken(progress.position + 1, `entries up to ${String(head.position)} are missing at the end`);
  if (head.position === progress.position && !head.hash.equals(progress.hash))
    throw new Broken(head.position, 'the hash that the chain ends with is another one');
  const now = await store.ends(organisation);
  if (now !== undefined && now.head.position < progress.position)
    throw new Broken(progress.position, 'the chain goes on behind its recorded end');
}

/** What retention took away during the verification looks like a gap; it is none. */
async function refuseWhileRemoved(
  store: AuditStore,
  organisation: string,
  { firstPosition }: ChainEnds,
): Promise<void> {
  const now = await store.ends(organisation);
  if (now !== undefined && now.firstPosition !== firstPosition)
    throw new CogmeshError('conflict', 'old entries were removed meanwhile; verify once more');
}

function emptyChain({ knownPosition }: VerifyQuestion): Verification {
  const problem = { position: knownPosition, problem: 'there is no decision log of this organisation any more' };
  const nothing = { verified: 0, nextPosition: 0, position: 0, hash: '', firstPosition: 1 };
  return { ...nothing, problem: knownPosition === 0 ? undefined : problem };
}
