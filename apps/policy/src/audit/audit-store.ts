/** What the decision log keeps: how much of each spool it has, and per organisation a chain of blocks with its two ends. */
import type { Block, Head, NewEntry } from './block.js';

/** Entries of one record, each for the chains it belongs to. */
export interface RecordEntries {
  readonly sequence: number;
  readonly entries: readonly (NewEntry & { readonly organisations: readonly string[] })[];
}

export interface SpoolAppend {
  readonly spoolId: string;
  /** What the sender knows to be accepted. */
  readonly after: number;
  /** Sequences rising. */
  readonly records: readonly RecordEntries[];
}

export interface AppendOutcome {
  /** Highest sequence of the spool that is durable. */
  readonly accepted: number;
  /** False: nothing was taken, because something before is missing. */
  readonly isTaken: boolean;
}

/** Both ends of a chain. */
export interface ChainEnds {
  readonly head: Head;
  /** Oldest position that is kept, and the hash before it. */
  readonly firstPosition: number;
  readonly anchor: Buffer;
}

export interface BlockRange {
  readonly organisation: string;
  /** Only blocks that reach this position, oldest first; or that begin at most here, newest first. */
  readonly from: number;
  readonly newestFirst: boolean;
  readonly limit: number;
  /** Only blocks with a decision at or after, and before, milliseconds since 1970. */
  readonly fromMs?: number;
  readonly toMs?: number;
}

export interface AuditStore {
  /** All of them in one transaction, in order. An entry that was taken before is not taken twice. */
  append(appends: readonly SpoolAppend[]): Promise<AppendOutcome[]>;
  /** Undefined for an organisation without entries. */
  ends(organisation: string): Promise<ChainEnds | undefined>;
  blocks(range: BlockRange): Promise<Block[]>;
  /** Organisations that have a chain. */
  organisations(): Promise<string[]>;
  /** Removes blocks written before, oldest first and at most so many, and moves the chain's first end. How many were removed. */
  removeBefore(organisation: string, writtenBeforeMs: number, limit: number): Promise<number>;
  /** Forgets spools that nothing was heard of since. */
  forgetSpools(unusedSinceMs: number): Promise<void>;
  /** The database's clock. */
  now(): Promise<number>;
}
