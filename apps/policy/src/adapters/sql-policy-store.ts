/**
 * PolicyStore over the database port, the same statements on PostgreSQL and SQLite. A policy set is never changed: a
 * write adds the next epoch and moves the pointer in one transaction.
 */
import { bulk, forUpdate, json, nowMillis, sql, type Database, type SqlRunner } from '@cogmesh/database';
import { CogmeshError } from '@cogmesh/errors';
import type { IssuerRecord } from '@cogmesh/identity';
import { withGrantsInForce } from './grants-in-force.js';
import type { BootstrapWrite, CheckedPolicies, PolicyStore, PolicyWrite, StoredPolicies } from '../policy-store.js';

export class SqlPolicyStore implements PolicyStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async epochs(): Promise<ReadonlyMap<string, number>> {
    const rows = await this.#database.query(
      sql<{ name: string; epoch: number }>`select name, epoch from organisations order by name`,
    );
    return new Map(rows.map(({ name, epoch }) => [name, epoch]));
  }

  async load(organisations: readonly string[]): Promise<StoredPolicies[]> {
    if (organisations.length === 0) return [];
    const wanted = bulk(
      this.#database.dialect,
      organisations.map((name) => ({ name })),
      { name: 'text' },
    );
    const stored = await this.#database.query(sql<StoredPolicies>`
      select o.name as "organisation", s.epoch as "epoch", s.document as "documentJson"
      from ${wanted} as w
      join organisations o on o.name = w.name
      join policy_sets s on s.organisation = o.name and s.epoch = o.epoch
      order by o.name`);
    return withGrantsInForce(this.#database, stored);
  }

  async issuers(): Promise<IssuerRecord[]> {
    const rows = await this.#database.query(sql<{ record: string }>`select record from issuers order by issuer`);
    return rows.map(({ record }) => JSON.parse(record) as IssuerRecord);
  }

  put(write: PolicyWrite): Promise<number> {
    return this.#database.transaction(async (tx) => {
      const current = await lockedEpoch(tx, write.organisation);
      if (current === undefined)
        throw new CogmeshError('not_found', `there is no organisation "${write.organisation}"`);
      if (write.expectedEpoch !== 0 && write.expectedEpoch !== current)
        throw new CogmeshError(
          'conflict',
          `the policies of ${write.organisation} are at epoch ${String(current)}, not ${String(write.expectedEpoch)}; read them again and repeat the change`,
          { epoch: current, expectedEpoch: write.expectedEpoch },
        );
      const epoch = current + 1;
      await insertSet(tx, { ...write, epoch });
      await tx.execute(sql`update organisations set epoch = ${epoch} where name = ${write.organisation}`);
      await replaceGrants(tx, write);
      return epoch;
    });
  }

  addMissing({ organisations, issuers }: BootstrapWrite): Promise<{ organisations: string[]; issuers: string[] }> {
    return this.#database.transaction(async (tx) => {
      const added = { organisations: [] as string[], issuers: [] as string[] };
      for (const { name, ...policies } of organisations)
        if (await addOrganisation(tx, name, policies)) added.organisations.push(name);
      for (const record of issuers) if (await addIssuer(tx, record)) added.issuers.push(record.issuer);
      return added;
    });
  }
}

async function lockedEpoch(tx: SqlRunner, organisation: string): Promise<number | undefined> {
  const [row] = await tx.query(
    sql<{ epoch: number }>`select epoch from organisations where name = ${organisation} ${forUpdate(tx.dialect)}`,
  );
  return row?.epoch;
}

async function addOrganisation(tx: SqlRunner, name: string, policies: CheckedPolicies): Promise<boolean> {
  const inserted = await tx.execute(sql`
    insert into organisations (name, epoch, created_at) values (${name}, 1, ${nowMillis}) on conflict (name) do nothing`);
  if (inserted === 0) return false;
  const write = { organisation: name, ...policies };
  await insertSet(tx, { ...write, epoch: 1, writtenBy: 'bootstrap' });
  await replaceGrants(tx, write);
  return true;
}

async function addIssuer(tx: SqlRunner, record: IssuerRecord): Promise<boolean> {
  const inserted = await tx.execute(sql`
    insert into issuers (issuer, organisation, record, created_at)
    values (${record.issuer}, ${record.organisation}, ${json(record)}, ${nowMillis})
    on conflict (issuer) do nothing`);
  return inserted > 0;
}

type SetRow = Pick<PolicyWrite, 'organisation' | 'document' | 'writtenBy' | 'note'> & { readonly epoch: number };

async function insertSet(
  tx: SqlRunner,
  { organisation, epoch, document, writtenBy, note = '' }: SetRow,
): Promise<void> {
  await tx.execute(sql`
    insert into policy_sets (organisation, epoch, document, written_by, written_at, note)
    values (${organisation}, ${epoch}, ${json(document)}, ${writtenBy}, ${nowMillis}, ${note})`);
}

async function replaceGrants(
  tx: SqlRunner,
  { organisation, document, grants }: CheckedPolicies & { readonly organisation: string },
): Promise<void> {
  await tx.execute(sql`delete from grants where organisation = ${organisation}`);
  if (grants.length === 0) return;
  const rows = grants.map(({ id, grantee, expiresAtMs }, i) => ({
    id,
    grantee,
    expires_at: expiresAtMs,
    jws: document.grants[i] ?? null,
  }));
  const columns = { id: 'text', grantee: 'text', expires_at: 'bigint', jws: 'text' } as const;
  await tx.execute(sql`
    insert into grants (organisation, id, grantee, expires_at, jws)
    select ${organisation}, id, grantee, expires_at, jws from ${bulk(tx.dialect, rows, columns)} as r`);
}
