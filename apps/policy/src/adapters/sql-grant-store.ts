/**
 * GrantStore over the database port, the same statements on PostgreSQL and SQLite. What changes rights locks the grantor's
 * organisation first and raises its epoch in the same transaction: the current policy set again, under the next number.
 */
import { forUpdate, json, nowMillis, sql, type Database, type SqlRunner } from '@cogmesh/database';
import type { PartnerGrantClaims } from '@cogmesh/identity';
import type { GrantState, GrantStep, GrantStore, StoredGrant } from '../grants/grant-store.js';

interface GrantRow {
  readonly claims: string;
  readonly jws: string;
  readonly state: GrantState;
  readonly created_by: string;
  readonly created_at: number;
  readonly accepted_by: string;
  readonly accepted_at: number | null;
  readonly revoked_by: string;
  readonly revoked_at: number | null;
  readonly revoke_reason: string;
}

const columns = sql`claims, jws, state, created_by, created_at, accepted_by, accepted_at, revoked_by, revoked_at, revoke_reason`;

export class SqlGrantStore implements GrantStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  offer({ claims, jws, by }: { claims: PartnerGrantClaims; jws: string; by: string }, max: number): Promise<boolean> {
    const { id, grantor, grantee, parentId = '', delegatedBy = '', expiresAtMs } = claims;
    return this.#database.transaction(async (tx) => {
      await lock(tx, grantor);
      const [held] = await tx.query(sql<{ live: number }>`
        select count(*) as live from partner_grants
        where grantor = ${grantor} and state <> 'revoked' and expires_at > ${nowMillis}`);
      if (Number(held?.live ?? 0) >= max) return false;
      const inserted = await tx.execute(sql`
        insert into partner_grants
          (id, grantor, grantee, parent_id, delegated_by, state, claims, jws, expires_at, created_by, created_at)
        values (${id}, ${grantor}, ${grantee}, ${parentId}, ${delegatedBy}, 'offered', ${json(claims)}, ${jws},
          ${expiresAtMs}, ${by}, ${nowMillis})
        on conflict (id) do nothing`);
      return inserted > 0;
    });
  }

  async find(id: string): Promise<StoredGrant | undefined> {
    const [row] = await this.#database.query(sql<GrantRow>`select ${columns} from partner_grants where id = ${id}`);
    return row === undefined ? undefined : grantOf(row);
  }

  async listOf(organisation: string, limit: number): Promise<StoredGrant[]> {
    const rows = await this.#database.query(sql<GrantRow>`
      select ${columns} from partner_grants
      where grantor = ${organisation} or grantee = ${organisation} or delegated_by = ${organisation}
      order by created_at desc, id desc limit ${limit}`);
    return rows.map(grantOf);
  }

  accept({ id, by }: GrantStep): Promise<number | undefined> {
    return this.#change(id, (tx) =>
      tx.execute(sql`
        update partner_grants set state = 'accepted', accepted_by = ${by}, accepted_at = ${nowMillis}
        where id = ${id} and state = 'offered' and expires_at > ${nowMillis} and (parent_id = '' or exists (
          select 1 from partner_grants p where p.id = partner_grants.parent_id and p.state = 'accepted'))`),
    );
  }

  revoke({ id, by, reason }: GrantStep & { readonly reason: string }): Promise<number | undefined> {
    return this.#change(id, (tx) =>
      tx.execute(sql`
        update partner_grants
        set state = 'revoked', revoked_by = ${by}, revoked_at = ${nowMillis}, revoke_reason = ${reason}
        where (id = ${id} or parent_id = ${id}) and state <> 'revoked'`),
    );
  }

  #change(id: string, update: (tx: SqlRunner) => Promise<number>): Promise<number | undefined> {
    return this.#database.transaction(async (tx) => {
      const [row] = await tx.query(sql<{ grantor: string }>`select grantor from partner_grants where id = ${id}`);
      if (row === undefined) return undefined;
      await lock(tx, row.grantor);
      return (await update(tx)) === 0 ? undefined : raiseEpoch(tx, row.grantor);
    });
  }
}

async function lock(tx: SqlRunner, organisation: string): Promise<void> {
  await tx.query(
    sql<{ epoch: number }>`select epoch from organisations where name = ${organisation} ${forUpdate(tx.dialect)}`,
  );
}

async function raiseEpoch(tx: SqlRunner, organisation: string): Promise<number> {
  await tx.execute(sql`
    insert into policy_sets (organisation, epoch, document, written_by, written_at)
    select s.organisation, s.epoch + 1, s.document, 'partner grants', ${nowMillis}
    from policy_sets s join organisations o on o.name = s.organisation and o.epoch = s.epoch
    where o.name = ${organisation}`);
  await tx.execute(sql`update organisations set epoch = epoch + 1 where name = ${organisation}`);
  const [row] = await tx.query(sql<{ epoch: number }>`select epoch from organisations where name = ${organisation}`);
  return row?.epoch ?? 0;
}

const grantOf = (row: GrantRow): StoredGrant => ({
  claims: JSON.parse(row.claims) as PartnerGrantClaims,
  jws: row.jws,
  state: row.state,
  createdBy: row.created_by,
  createdAtMs: row.created_at,
  acceptedBy: row.accepted_by,
  acceptedAtMs: row.accepted_at ?? undefined,
  revokedBy: row.revoked_by,
  revokedAtMs: row.revoked_at ?? undefined,
  revokeReason: row.revoke_reason,
});
