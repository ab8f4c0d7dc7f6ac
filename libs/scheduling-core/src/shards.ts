/**
 * Where a run lives. A shard is the unit of ownership: one scheduler at a time decides for all of its runs. The organisation
 * says which shard that is, so that its limits and groups are kept by one scheduler; one that is larger than a shard is
 * split into parts by run. A stored run keeps the shard it was born with, so a split moves new runs only. Pure.
 */
import { hash } from 'node:crypto';

export interface Sharding {
  /** Fixed for a database. */
  readonly shards: number;
  /** Parts of the organisations that are split; 1 for one that no longer is. */
  readonly splits: ReadonlyMap<string, number>;
}

/** Most shards a database can have: an attempt's id names its own in two characters. */
export const maxShards = 256;
export const defaultShards = 16;

/** The first 32 bits of the text's SHA-256 (UTF-8), big endian: the same everywhere and for ever. */
export function stableHash(text: string): number {
  return Number.parseInt(hash('sha256', text).slice(0, 8), 16);
}

/** Of a run that is not nested; one that is has its parent's. */
export function shardOf(organisation: string, runId: string, sharding: Sharding): number {
  const home = shardsOf(organisation, sharding);
  return home[home.length === 1 ? 0 : stableHash(runId) % home.length] ?? 0;
}

/** Where new runs of the organisation go: a shard for each part, all different, spread over the whole range. */
export function shardsOf(organisation: string, { shards, splits }: Sharding): number[] {
  const parts = Math.max(1, Math.min(splits.get(organisation) ?? 1, shards));
  const first = stableHash(organisation) % shards;
  return Array.from({ length: parts }, (_, part) => (first + Math.floor((part * shards) / parts)) % shards);
}

/** `random`: 32 hexadecimal digits that nobody can guess. */
export function attemptIdOf(shard: number, random: string): string {
  return `${shard.toString(36)}-${random}`;
}

const attemptId = /^([0-9a-z]{1,2})-[0-9a-f]{32}$/;

/** Undefined for a text that names no shard. */
export function shardOfAttempt(id: string): number | undefined {
  const [, shard] = attemptId.exec(id) ?? [];
  return shard === undefined ? undefined : Number.parseInt(shard, 36);
}
