/**
 * RevocationStore over the database port, the same statements on PostgreSQL and SQLite. The list's epoch is raised under a row lock, so
 * that epochs become visible in order: whoever has read up to one has missed none before it.
 */
import { forUpdate, nowMillis, sql, type Database, type SqlRunner } from '@cogmesh/database';
import { CogmeshError } from '@cogmesh/errors';
import type { RevocationChange } from '@cogmesh/identity';
import { liftedKeptMs, revocationsPerOrganisationMax } from '../limits.js';
import type {
  RevocationPage,
  RevocationStore,
  RevocationWrite,
  RevokedThing,
  StoredRevocation,
} from '../revocations/revocation-store.js';

type Row = Omit<StoredRevocation, 'lifted'> & { readonly lifted: number };

const columns = sql`
  organisation as "organisation", kind as "kind", issuer as "issuer", value as "value", epoch as "epoch",
  until_ms as "untilMs", lifted as "lifted", reason as "reason", revoked_by as "revokedBy", revoked_at as "revokedAtMs"`;

export class SqlRevocationStore implements RevocationStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async since(epoch: number): Promise<RevocationChange[]> {
    const rows = await this.#database.query(
      sql<Row>`select ${columns} from revocations where epoch > ${epoch} order by epoch`,
    );
    return rows.map((row) => {
      const { kind, organisation, issuer, value, untilMs } = row;
      return { kind, organisation, issuer, value, untilMs, epoch: row.epoch, lifted: row.lifted === 1 };
    });
  }

  async list({ organisation, limit, before }: RevocationPage): Promise<StoredRevocation[]> {
    const below = before === 0 ? Number.MAX_SAFE_INTEGER : before;
    const rows = await this.#database.query(sql<Row>`
      select ${columns} from revocations
      where organisation = ${organisation} and lifted = 0 and epoch < ${below}
        and (until_ms = 0 or until_ms > ${nowMillis})
      order by epoch desc limit ${limit}`);
    return rows.map(toStored);
  }

  put(write: RevocationWrite): Promise<StoredRevocation> {
    return this.#database.transaction(async (tx) => {
      const epoch = await nextEpoch(tx);
      const { organisation, kind, issuer, value, untilMs, reason, revokedBy } = write;
      const [{ count } = { count: 0 }] = await tx.query(
        sql<{ count: number }>`select count(*) as "count" from revocations where organisation = ${organisation}`,
      );
      if (Number(count) >= revocationsPerOrganisationMax)
        throw new CogmeshError(
          'overloaded',
          `${organisation} has ${String(count)} revocations; give them an end, or revoke the issuer or the key`,
        );
      await tx.execute(sql`
        insert into revocations (organisation, kind, issuer, value, epoch, until_ms, lifted, reason, revoked_by, revoked_at)
        values (${organisation}, ${kind}, ${issuer}, ${value}, ${epoch}, ${untilMs}, 0, ${reason}, ${revokedBy}, ${nowMillis})
        on conflict (organisation, kind, issuer, value) do update set
          epoch = excluded.epoch, until_ms = excluded.until_ms, lifted = 0, reason = excluded.reason,
          revoked_by = excluded.revoked_by, revoked_at = excluded.revoked_at`);
      const [row] = await tx.query(sql<Row>`select ${columns} from revocations where epoch = ${epoch}`);
      if (row === undefined) throw new CogmeshError('internal', 'a revocation that was just written is not there');
      return toStored(row);
    });
  }

  lift({ organisation, kind, issuer, value }: RevokedThing): Promise<RevocationChange | undefined> {
    return this.#database.transaction(async (tx) => {
      const epoch = await nextEpoch(tx);
      const lifted = await tx.execute(sql`
        update revocations set lifted = 1, epoch = ${epoch}, until_ms = ${nowMillis} + ${liftedKeptMs}
        where organisation = ${organisation} and kind = ${kind} and issuer = ${issuer} and value = ${value} and lifted = 0`);
      if (lifted === 0) return undefined;
      return { organisation, kind, issuer, value, epoch, untilMs: 0, lifted: true };
    });
  }

  async sweep(): Promise<void> {
    await this.#database.execute(sql`delete from revocations where until_ms <> 0 and until_ms <= ${nowMillis}`);
  }
}

/** Holds the row until the transaction ends: the next writer waits. */
async function nextEpoch(tx: SqlRunner): Promise<number> {
  const [row] = await tx.query(
    sql<{ epoch: number }>`select epoch from revocation_list where id = 1 ${forUpdate(tx.dialect)}`,
  );
  const epoch = (row?.epoch ?? 0) + 1;
  await tx.execute(sql`update revocation_list set epoch = ${epoch} where id = 1`);
  return epoch;
}

const toStored = ({ lifted, ...row }: Row): StoredRevocation => ({ ...row, lifted: lifted === 1 });
