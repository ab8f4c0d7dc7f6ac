/** Blob metadata in the gateway's own database. What a caller may read is always asked for with the organisation. */
import { bulk, collateC, sql, type Database, type Migration } from '@cogmesh/database';
import type { BlobRecord, BlobRecords } from '../blobs/blob-records.js';

export const blobMigrations: readonly Migration[] = [
  {
    name: '0001-blobs',
    up: async (db) => {
      await db.execute(sql`
        create table blobs (
          id text ${collateC} primary key,
          organisation text ${collateC} not null,
          created_by text not null,
          media_type text not null,
          bytes bigint not null,
          sha256 text not null,
          created_at bigint not null,
          expires_at bigint not null
        )`);
      await db.execute(sql`create index blobs_by_expiry on blobs (expires_at)`);
    },
  },
];

interface Row {
  id: string;
  organisation: string;
  created_by: string;
  media_type: string;
  bytes: number;
  sha256: string;
  created_at: number;
  expires_at: number;
}

export class SqlBlobRecords implements BlobRecords {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async insert(blob: BlobRecord): Promise<void> {
    await this.#db.execute(sql`
      insert into blobs (id, organisation, created_by, media_type, bytes, sha256, created_at, expires_at)
      values (${blob.id}, ${blob.organisation}, ${blob.createdBy}, ${blob.mediaType}, ${blob.bytes}, ${blob.sha256},
              ${blob.createdAtMs}, ${blob.expiresAtMs})`);
  }

  async find(organisation: string, id: string, nowMs: number): Promise<BlobRecord | undefined> {
    const [row] = await this.#db.query<Row>(sql`
      select * from blobs where id = ${id} and organisation = ${organisation} and expires_at > ${nowMs}`);
    return row === undefined ? undefined : fromRow(row);
  }

  async present(organisation: string, ids: readonly string[], nowMs: number): Promise<ReadonlySet<string>> {
    if (ids.length === 0) return new Set();
    const rows = await this.#db.query<Pick<Row, 'id'>>(sql`
      select id from blobs
      where organisation = ${organisation} and expires_at > ${nowMs} and id in (select id from ${this.#table(ids)} as asked)`);
    return new Set(rows.map(({ id }) => id));
  }

  async known(ids: readonly string[]): Promise<ReadonlySet<string>> {
    if (ids.length === 0) return new Set();
    const rows = await this.#db.query<Pick<Row, 'id'>>(sql`
      select id from blobs where id in (select id from ${this.#table(ids)} as asked)`);
    return new Set(rows.map(({ id }) => id));
  }

  async remove(organisation: string, id: string): Promise<boolean> {
    const removed = await this.#db.execute(sql`delete from blobs where id = ${id} and organisation = ${organisation}`);
    return removed > 0;
  }

  async removeExpired(nowMs: number, limit: number): Promise<readonly string[]> {
    const rows = await this.#db.query<Pick<Row, 'id'>>(sql`
      delete from blobs
      where id in (select id from blobs where expires_at <= ${nowMs} order by expires_at limit ${limit})
      returning id`);
    return rows.map(({ id }) => id);
  }

  #table(ids: readonly string[]) {
    return bulk(
      this.#db.dialect,
      ids.map((id) => ({ id })),
      { id: 'text' },
    );
  }
}

function fromRow(row: Row): BlobRecord {
  return {
    id: row.id,
    organisation: row.organisation,
    createdBy: row.created_by,
    mediaType: row.media_type,
    bytes: row.bytes,
    sha256: row.sha256,
    createdAtMs: row.created_at,
    expiresAtMs: row.expires_at,
  };
}
