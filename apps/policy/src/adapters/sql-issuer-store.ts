/** IssuerStore over the database port, the same statements on PostgreSQL and SQLite. */
import { json, nowMillis, sql, type Database } from '@cogmesh/database';
import type { IssuerRecord } from '@cogmesh/identity';
import type { IssuerStore } from '../issuers/issuer-store.js';

export class SqlIssuerStore implements IssuerStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async put(record: IssuerRecord): Promise<boolean> {
    const changed = await this.#database.execute(sql`
      insert into issuers (issuer, organisation, record, created_at)
      values (${record.issuer}, ${record.organisation}, ${json(record)}, ${nowMillis})
      on conflict (issuer) do update set record = excluded.record
      where issuers.organisation = excluded.organisation`);
    return changed > 0;
  }

  async find(issuer: string): Promise<IssuerRecord | undefined> {
    const [row] = await this.#database.query(sql<{ record: string }>`
      select record from issuers where issuer = ${issuer}`);
    return row === undefined ? undefined : (JSON.parse(row.record) as IssuerRecord);
  }

  async list(): Promise<IssuerRecord[]> {
    const rows = await this.#database.query(sql<{ record: string }>`select record from issuers order by issuer`);
    return rows.map(({ record }) => JSON.parse(record) as IssuerRecord);
  }

  async delete(issuer: string): Promise<boolean> {
    return (await this.#database.execute(sql`delete from issuers where issuer = ${issuer}`)) > 0;
  }
}
