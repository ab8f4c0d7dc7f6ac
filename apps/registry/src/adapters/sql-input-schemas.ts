import { bulk, sql, type Database } from '@cogmesh/database';
import type { SchemaTexts } from '../schemas/schema-shelf.js';

interface SchemaRow {
  readonly sha256: string;
  readonly json: string;
}

/** Input schemas in SQL, one row each, whoever announces them. */
export class SqlInputSchemas implements SchemaTexts {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async load(): Promise<ReadonlyMap<string, string>> {
    const rows = await this.#database.query<SchemaRow>(sql`select sha256, json from input_schemas`);
    return new Map(rows.map(({ sha256, json }) => [sha256, json]));
  }

  async add(texts: ReadonlyMap<string, string>): Promise<void> {
    const values = [...texts].map(([sha256, json]) => ({ sha256, json }));
    const rows = bulk(this.#database.dialect, values, { sha256: 'text', json: 'text' });
    // `where true` tells SQLite that ON CONFLICT does not belong to a join.
    await this.#database.execute(sql`insert into input_schemas (sha256, json) select sha256, json from ${rows} as r
      where true on conflict (sha256) do nothing`);
  }

  async remove(digests: readonly string[]): Promise<void> {
    const rows = digests.map((sha256) => ({ sha256 }));
    const gone = bulk(this.#database.dialect, rows, { sha256: 'text' });
    await this.#database.execute(sql`delete from input_schemas where sha256 in (select sha256 from ${gone} as gone)`);
  }
}
