/** The duty as a lease in the database, and what each replica saw last beside it. Times are the database's. */
import { sql, type Database } from '@cogmesh/database';
import type { PoolDuty, Sighting } from './duty.js';

export interface SqlPoolDutyOptions {
  /** New for each process. */
  readonly replica: string;
  /** How long a duty or a sighting holds without being renewed, milliseconds. */
  readonly holdsMs: number;
}

/** Rows of replicas that are long gone. */
const forgottenAfter = 10;

export class SqlPoolDuty implements PoolDuty {
  readonly #database: Database;
  readonly #options: SqlPoolDutyOptions;

  constructor(database: Database, options: SqlPoolDutyOptions) {
    this.#database = database;
    this.#options = options;
  }

  async take(sighting: Sighting): Promise<readonly Sighting[] | undefined> {
    const { replica, holdsMs } = this.#options;
    const now = await this.#database.now();
    return this.#database.transaction(async (tx) => {
      await tx.execute(sql`insert into pool_sightings (replica, sighting, seen_at)
        values (${replica}, ${JSON.stringify(sighting)}, ${now})
        on conflict (replica) do update set sighting = excluded.sighting, seen_at = excluded.seen_at`);
      const taken =
        await tx.execute(sql`insert into pool_duty (id, replica, until) values (1, ${replica}, ${now + holdsMs})
        on conflict (id) do update set replica = excluded.replica, until = excluded.until
        where pool_duty.replica = excluded.replica or pool_duty.until < ${now}`);
      if (taken === 0) return undefined;
      await tx.execute(sql`delete from pool_sightings where seen_at < ${now - forgottenAfter * holdsMs}`);
      const rows = await tx.query<{ sighting: string }>(
        sql`select sighting from pool_sightings where seen_at >= ${now - holdsMs} order by replica`,
      );
      return rows.map((row) => JSON.parse(row.sighting) as Sighting);
    });
  }

  async release(): Promise<void> {
    const { replica } = this.#options;
    await this.#database.execute(sql`delete from pool_duty where replica = ${replica}`);
    await this.#database.execute(sql`delete from pool_sightings where replica = ${replica}`);
  }
}
