/**
 * AuditStore over the database port, the same statements on PostgreSQL and SQLite. A chain has one writer at a time, whichever
 * instance of the service it is: its row is locked from the reading of the last hash until the new one is stored. Rows
 * are locked spools first, then chains by name, so that two instances never wait for each other.
 */
import { forUpdate, nowMillis, sql, type Database, type SqlRunner } from '@cogmesh/database';
import type { AppendOutcome, AuditStore, BlockRange, ChainEnds, SpoolAppend } from '../audit/audit-store.js';
import { chainBlock, type Block, type Head, type NewEntry } from '../audit/block.js';
import { genesisOf } from '../audit/chain.js';
import { blockBytesMax, blockEntriesMax } from '../audit/limits.js';

type BlockRow = { readonly [K in keyof Block]: Block[K] extends Buffer ? Uint8Array : Block[K] };

export class SqlAuditStore implements AuditStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  append(appends: readonly SpoolAppend[]): Promise<AppendOutcome[]> {
    return this.#database.transaction(async (tx) => {
      const accepted = await lockSpools(tx, [...new Set(appends.map(({ spoolId }) => spoolId))].sort());
      const chains = new Map<string, NewEntry[]>();
      const outcomes = appends.map((append) => take(append, accepted, chains));
      for (const organisation of [...chains.keys()].sort())
        await extendChain(tx, organisation, chains.get(organisation) ?? []);
      for (const [spoolId, sequence] of accepted)
        await tx.execute(sql`
          update audit_spools set accepted = ${sequence}, used_at = ${nowMillis} where spool_id = ${spoolId}`);
      return outcomes;
    });
  }

  async ends(organisation: string): Promise<ChainEnds | undefined> {
    const [row] = await this.#database.query(sql<{
      position: number;
      hash: Uint8Array;
      firstPosition: number;
      anchor: Uint8Array;
    }>`
      select position, hash, first_position as "firstPosition", anchor
      from audit_chains where organisation = ${organisation}`);
    if (row === undefined) return undefined;
    const { position, hash, firstPosition, anchor } = row;
    return { head: { position, hash: Buffer.from(hash) }, firstPosition, anchor: Buffer.from(anchor) };
  }

  async blocks({ organisation, from, newestFirst, limit, fromMs = 0, toMs }: BlockRange): Promise<Block[]> {
    const place = newestFirst
      ? sql`first_position <= ${from} and to_at >= ${fromMs}`
      : sql`last_position >= ${from} and to_at >= ${fromMs}`;
    const before = toMs === undefined ? sql`` : sql`and from_at < ${toMs}`;
    const order = newestFirst ? sql`desc` : sql`asc`;
    const rows = await this.#database.query(sql<BlockRow>`
      select organisation, first_position as "firstPosition", last_position as "lastPosition", from_at as "fromMs",
        to_at as "toMs", previous, hash, content
      from audit_blocks where organisation = ${organisation} and ${place} ${before}
      order by first_position ${order} limit ${limit}`);
    return rows.map((row) => {
      const { previous, hash, content } = row;
      return { ...row, previous: Buffer.from(previous), hash: Buffer.from(hash), content: Buffer.from(content) };
    });
  }

  async organisations(): Promise<string[]> {
    const rows = await this.#database.query(
      sql<{ organisation: string }>`select organisation from audit_chains order by organisation`,
    );
    return rows.map(({ organisation }) => organisation);
  }

  removeBefore(organisation: string, writtenBeforeMs: number, limit: number): Promise<number> {
    return this.#database.transaction(async (tx) => {
      await lockedHead(tx, organisation);
      const blocks = await tx.query(sql<{ lastPosition: number; hash: Uint8Array; writtenAt: number }>`
        select last_position as "lastPosition", hash, written_at as "writtenAt" from audit_blocks
        where organisation = ${organisation} order by first_position limit ${limit}`);
      const young = blocks.findIndex(({ writtenAt }) => writtenAt >= writtenBeforeMs);
      const old = young === -1 ? blocks : blocks.slice(0, young);
      const last = old.at(-1);
      if (last === undefined) return 0;
      await tx.execute(sql`
        delete from audit_blocks where organisation = ${organisation} and last_position <= ${last.lastPosition}`);
      await tx.execute(sql`
        update audit_chains set first_position = ${last.lastPosition + 1}, anchor = ${last.hash}
        where organisation = ${organisation}`);
      return old.length;
    });
  }

  async forgetSpools(unusedSinceMs: number): Promise<void> {
    await this.#database.execute(sql`delete from audit_spools where used_at < ${unusedSinceMs}`);
  }

  now(): Promise<number> {
    return this.#database.now();
  }
}

/** What is new of the batch goes to its chains; what was accepted before is left out. */
function take(append: SpoolAppend, accepted: Map<string, number>, chains: Map<string, NewEntry[]>): AppendOutcome {
  const { spoolId, after, records } = append;
  const known = accepted.get(spoolId) ?? 0;
  if (after > known) return { accepted: known, isTaken: false };
  const fresh = records.filter(({ sequence }) => sequence > known).flatMap(({ entries }) => entries);
  for (const { organisations, ...entry } of fresh) {
    for (const organisation of organisations) {
      const chain = chains.get(organisation);
      if (chain === undefined) chains.set(organisation, [entry]);
      else chain.push(entry);
    }
  }
  const reached = Math.max(known, records.at(-1)?.sequence ?? 0);
  accepted.set(spoolId, reached);
  return { accepted: reached, isTaken: true };
}

async function lockSpools(tx: SqlRunner, spoolIds: readonly string[]): Promise<Map<string, number>> {
  const accepted = new Map<string, number>();
  for (const spoolId of spoolIds) {
    await tx.execute(sql`
      insert into audit_spools (spool_id, accepted, used_at) values (${spoolId}, 0, ${nowMillis})
      on conflict (spool_id) do nothing`);
    const [row] = await tx.query(sql<{ accepted: number }>`
      select accepted from audit_spools where spool_id = ${spoolId} ${forUpdate(tx.dialect)}`);
    accepted.set(spoolId, row?.accepted ?? 0);
  }
  return accepted;
}

async function extendChain(tx: SqlRunner, organisation: string, entries: readonly NewEntry[]): Promise<void> {
  const genesis = genesisOf(organisation);
  await tx.execute(sql`
    insert into audit_chains (organisation, position, hash, first_position, anchor)
    values (${organisation}, 0, ${genesis}, 1, ${genesis}) on conflict (organisation) do nothing`);
  let head = await lockedHead(tx, organisation);
  for (const part of inBlocks(entries)) {
    const block = chainBlock(organisation, head, part);
    const { firstPosition, lastPosition, fromMs, toMs, previous, hash, content } = block;
    await tx.execute(sql`
      insert into audit_blocks (organisation, first_position, last_position, from_at, to_at, previous, hash, content, written_at)
      values (${organisation}, ${firstPosition}, ${lastPosition}, ${fromMs}, ${toMs}, ${previous}, ${hash}, ${content}, ${nowMillis})`);
    head = { position: lastPosition, hash };
  }
  await tx.execute(sql`
    update audit_chains set position = ${head.position}, hash = ${head.hash} where organisation = ${organisation}`);
}

async function lockedHead(tx: SqlRunner, organisation: string): Promise<Head> {
  const [row] = await tx.query(sql<{ position: number; hash: Uint8Array }>`
    select position, hash from audit_chains where organisation = ${organisation} ${forUpdate(tx.dialect)}`);
  return row === undefined
    ? { position: 0, hash: genesisOf(organisation) }
    : { position: row.position, hash: Buffer.from(row.hash) };
}

function inBlocks(entries: readonly NewEntry[]): NewEntry[][] {
  const blocks: NewEntry[][] = [];
  let bytes = 0;
  for (const entry of entries) {
    const block = blocks.at(-1);
    bytes += entry.bytes.length;
    if (block === undefined || block.length >= blockEntriesMax || bytes > blockBytesMax) {
      blocks.push([entry]);
      bytes = entry.bytes.length;
    } else {
      block.push(entry);
    }
  }
  return blocks;
}
