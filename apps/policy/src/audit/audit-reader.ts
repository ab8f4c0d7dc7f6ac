/**
 * Reads the decision log of one organisation by pages. A page is keyed by the position it ends at, so nothing is told twice or left out
 * while new entries come. It ends early when it has looked through enough, and says where to go on.
 */
import { CogmeshError } from '@cogmesh/errors';
import type { AuditStore } from './audit-store.js';
import { blockEntries, type Block } from './block.js';
import type { ChainedEntry, Entry } from './entry.js';
import { decodeEntry } from './entry-codec.js';
import { blocksAtOnce, queryBlocksMax, queryLimitDefault, queryLimitMax } from './limits.js';

export interface AuditQuery {
  readonly organisation: string;
  /** 0 means the default. */
  readonly limit: number;
  /** Empty for the first page. */
  readonly pageToken: string;
  readonly newestFirst: boolean;
  /** Decided at or after, and before, milliseconds since 1970; 0 for any. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Exact; empty for any. */
  readonly sub: string;
  readonly action: string;
  /** Exact, or a prefix that ends with `/`; empty for any. */
  readonly resource: string;
  readonly deniedOnly: boolean;
  readonly crossOrganisationOnly: boolean;
}

export interface AuditPage {
  readonly entries: readonly ChainedEntry[];
  /** Empty at the end. */
  readonly nextPageToken: string;
}

/** `invalid_argument` for a limit or token that is none, `data_loss` where what is stored cannot be read. */
export async function queryAudit(store: Pick<AuditStore, 'blocks'>, query: AuditQuery): Promise<AuditPage> {
  const limit = query.limit === 0 ? queryLimitDefault : query.limit;
  if (limit > queryLimitMax)
    throw new CogmeshError('invalid_argument', `at most ${String(queryLimitMax)} entries per page`, { limit });
  const found: ChainedEntry[] = [];
  let from = startOf(query);
  for (let looked = 0; looked < queryBlocksMax; looked += blocksAtOnce) {
    const blocks = await store.blocks({ ...rangeOf(query), from, limit: blocksAtOnce });
    for (const entry of blocks.flatMap((block) => [...entriesFrom(block, from, query.newestFirst)])) {
      from = query.newestFirst ? entry.position - 1 : entry.position + 1;
      if (!matches(entry.entry, query)) continue;
      found.push(entry);
      if (found.length === limit) return { entries: found, nextPageToken: tokenOf(from, query) };
    }
    if (blocks.length < blocksAtOnce) return { entries: found, nextPageToken: '' };
  }
  return { entries: found, nextPageToken: tokenOf(from, query) };
}

function rangeOf({ organisation, newestFirst, fromMs, toMs }: AuditQuery) {
  return { organisation, newestFirst, fromMs, ...(toMs === 0 ? {} : { toMs }) };
}

function* entriesFrom(block: Block, from: number, newestFirst: boolean): Generator<ChainedEntry> {
  const { organisation, firstPosition } = block;
  const stored = blockEntries(block).map(({ bytes, hash }, i) => ({ bytes, hash, position: firstPosition + i }));
  for (const { bytes, hash, position } of newestFirst ? stored.toReversed() : stored) {
    if (newestFirst ? position > from : position < from) continue;
    yield { organisation, position, entry: decodeEntry(bytes), hash: hash.toString('hex') };
  }
}

function matches({ atMs, subject, action, resource, owner, allowed }: Entry, query: AuditQuery): boolean {
  if (atMs < query.fromMs || (query.toMs !== 0 && atMs >= query.toMs)) return false;
  if (!isAny(query.sub, subject.sub) || !isAny(query.action, action)) return false;
  if (query.deniedOnly && allowed) return false;
  if (query.crossOrganisationOnly && subject.organisation === owner) return false;
  return query.resource.endsWith('/') ? resource.startsWith(query.resource) : isAny(query.resource, resource);
}

const isAny = (wanted: string, given: string): boolean => wanted === '' || wanted === given;

const newestPossible = Number.MAX_SAFE_INTEGER;

function startOf({ pageToken, newestFirst }: AuditQuery): number {
  if (pageToken === '') return newestFirst ? newestPossible : 1;
  const [, direction, position] = /^([an])(\d{1,15})$/.exec(pageToken) ?? [];
  if (direction === (newestFirst ? 'n' : 'a')) return Number(position);
  throw new CogmeshError('invalid_argument', 'the page token is of another query; begin without one');
}

const tokenOf = (from: number, { newestFirst }: AuditQuery): string =>
  newestFirst && from < 1 ? '' : `${newestFirst ? 'n' : 'a'}${String(from)}`;
