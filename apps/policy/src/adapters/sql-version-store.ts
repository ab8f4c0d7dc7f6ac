/**
 * VersionStore over the database port. Counts of a candidate are added to by every instance of the service, so they are
 * sums in the database and never replaced; of distinct flips no more than flipsKeptMax are kept, and the rest only counted.
 */
import { bulk, forUpdate, jsonText, nowMillis, sql, type Database, type SqlRunner } from '@cogmesh/database';
import { CogmeshError } from '@cogmesh/errors';
import { flipsKeptMax } from '../versions/limits.js';
import type {
  CandidateWrite,
  StoredCandidate,
  StoredFlip,
  StoredVersion,
  Tally,
  VersionPage,
  VersionStore,
} from '../versions/version-store.js';

type CandidateRow = Omit<StoredCandidate, 'tally'> & Tally;

const candidateColumns = sql`
  c.organisation as "organisation", c.id as "id", c.based_on_epoch as "basedOnEpoch", c.document as "documentJson",
  c.written_by as "writtenBy", c.written_at as "writtenAt", c.note as "note", c.compared as "compared",
  c.skipped as "skipped", c.flips_to_deny as "flipsToDeny", c.flips_to_allow as "flipsToAllow"`;

const versionColumns = sql`
  s.epoch as "epoch", s.written_by as "writtenBy", s.written_at as "writtenAt", s.note as "note",
  case when s.epoch = o.epoch then 1 else 0 end as "live", s.document as "documentJson"`;

export class SqlVersionStore implements VersionStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async versions({ organisation, limit, before }: VersionPage): Promise<StoredVersion[]> {
    const below = before === 0 ? Number.MAX_SAFE_INTEGER : before;
    const rows = await this.#database.query(sql<VersionRow>`
      select ${versionColumns}
      from policy_sets s join organisations o on o.name = s.organisation
      where s.organisation = ${organisation} and s.epoch < ${below}
      order by s.epoch desc limit ${limit}`);
    return rows.map(toVersion);
  }

  async version(organisation: string, epoch: number): Promise<StoredVersion | undefined> {
    const [row] = await this.#database.query(sql<VersionRow>`
      select ${versionColumns}
      from policy_sets s join organisations o on o.name = s.organisation
      where s.organisation = ${organisation} and s.epoch = ${epoch}`);
    return row && toVersion(row);
  }

  putCandidate(write: CandidateWrite): Promise<StoredCandidate> {
    return this.#database.transaction(async (tx) => {
      const [live] = await tx.query(
        sql<{
          epoch: number;
        }>`select epoch from organisations where name = ${write.organisation} ${forUpdate(tx.dialect)}`,
      );
      if (live === undefined) throw new CogmeshError('not_found', `there is no organisation "${write.organisation}"`);
      await forget(tx, write.organisation);
      await tx.execute(sql`
        insert into policy_candidates (organisation, id, based_on_epoch, document, written_by, written_at, note,
          compared, skipped, flips_to_deny, flips_to_allow)
        values (${write.organisation}, ${write.id}, ${live.epoch}, ${jsonText(write.documentJson)}, ${write.writtenBy},
          ${nowMillis}, ${write.note}, 0, 0, 0, 0)`);
      const [row] = await tx.query(selectCandidate(write.organisation));
      if (row === undefined) throw new CogmeshError('internal', 'a candidate that was just written is not there');
      return toCandidate(row);
    });
  }

  async candidateIds(): Promise<ReadonlyMap<string, string>> {
    const rows = await this.#database.query(
      sql<{ organisation: string; id: string }>`select organisation, id from policy_candidates order by organisation`,
    );
    return new Map(rows.map(({ organisation, id }) => [organisation, id]));
  }

  async candidate(organisation: string): Promise<StoredCandidate | undefined> {
    const [row] = await this.#database.query(selectCandidate(organisation));
    return row && toCandidate(row);
  }

  dropCandidate(organisation: string, id?: string): Promise<boolean> {
    return this.#database.transaction(async (tx) => {
      const [held] = await tx.query(selectCandidate(organisation));
      if (held === undefined || (id !== undefined && held.id !== id)) return false;
      await forget(tx, organisation);
      return true;
    });
  }

  addTally(
    organisation: string,
    id: string,
    { tally, flips }: { readonly tally: Tally; readonly flips: readonly StoredFlip[] },
  ): Promise<void> {
    return this.#database.transaction(async (tx) => {
      const known = await tx.execute(sql`
        update policy_candidates set compared = compared + ${tally.compared}, skipped = skipped + ${tally.skipped},
          flips_to_deny = flips_to_deny + ${tally.flipsToDeny}, flips_to_allow = flips_to_allow + ${tally.flipsToAllow}
        where organisation = ${organisation} and id = ${id}`);
      if (known > 0) await addFlips(tx, id, flips);
    });
  }

  flips(candidateId: string): Promise<StoredFlip[]> {
    return this.#database.query(sql<StoredFlip>`
      select flip_key as "key", caller_organisation as "callerOrganisation", subject as "subject", action as "action",
        resource as "resource", owner as "owner", live_code as "liveCode", candidate_code as "candidateCode",
        live_reason as "liveReason", candidate_reason as "candidateReason", count as "count", last_at as "lastAt"
      from policy_flips where candidate = ${candidateId}
      order by count desc, flip_key limit ${flipsKeptMax}`);
  }
}

type VersionRow = Omit<StoredVersion, 'live'> & { readonly live: number };

const toVersion = ({ live, ...row }: VersionRow): StoredVersion => ({ ...row, live: live === 1 });

function toCandidate({ compared, skipped, flipsToDeny, flipsToAllow, ...row }: CandidateRow): StoredCandidate {
  return { ...row, tally: { compared, skipped, flipsToDeny, flipsToAllow } };
}

const selectCandidate = (organisation: string) =>
  sql<CandidateRow>`select ${candidateColumns} from policy_candidates c where c.organisation = ${organisation}`;

async function forget(tx: SqlRunner, organisation: string): Promise<void> {
  await tx.execute(sql`
    delete from policy_flips where candidate in (select id from policy_candidates where organisation = ${organisation})`);
  await tx.execute(sql`delete from policy_candidates where organisation = ${organisation}`);
}

const flipColumns = {
  flip_key: 'text',
  caller_organisation: 'text',
  subject: 'text',
  action: 'text',
  resource: 'text',
  owner: 'text',
  live_code: 'text',
  candidate_code: 'text',
  live_reason: 'text',
  candidate_reason: 'text',
  count: 'bigint',
  last_at: 'bigint',
} as const;

/** Those that are known are added to; new ones are kept while there is room. */
async function addFlips(tx: SqlRunner, candidate: string, flips: readonly StoredFlip[]): Promise<void> {
  if (flips.length === 0) return;
  const held = await tx.query(
    sql<{ key: string }>`select flip_key as "key" from policy_flips where candidate = ${candidate}`,
  );
  const known = new Set(held.map(({ key }) => key));
  let room = flipsKeptMax - known.size;
  const kept = flips.filter(({ key }) => known.has(key) || room-- > 0);
  const rows = kept.map((flip) => ({
    flip_key: flip.key,
    caller_organisation: flip.callerOrganisation,
    subject: flip.subject,
    action: flip.action,
    resource: flip.resource,
    owner: flip.owner,
    live_code: flip.liveCode,
    candidate_code: flip.candidateCode,
    live_reason: flip.liveReason,
    candidate_reason: flip.candidateReason,
    count: flip.count,
    last_at: flip.lastAt,
  }));
  if (rows.length === 0) return;
  await tx.execute(sql`
    insert into policy_flips (candidate, flip_key, caller_organisation, subject, action, resource, owner, live_code,
      candidate_code, live_reason, candidate_reason, count, last_at)
    select ${candidate}, r.flip_key, r.caller_organisation, r.subject, r.action, r.resource, r.owner, r.live_code,
      r.candidate_code, r.live_reason, r.candidate_reason, r.count, r.last_at
    from ${bulk(tx.dialect, rows, flipColumns)} as r
    where true
    on conflict (candidate, flip_key) do update set count = policy_flips.count + excluded.count, last_at = excluded.last_at`);
}
