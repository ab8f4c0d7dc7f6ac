/** What is asked of the owner of a shard, as rows: whoever owns it reads them, whoever asked reads the answers. */
import { bulk, nowMillis, oneOf, sql, type Database, type SqlRunner, type Statement } from '@cogmesh/database';

export interface NewCommand {
  /** Sorts by time. */
  readonly id: string;
  readonly shard: number;
  readonly kind: string;
  readonly body: string;
  /** Somebody waits for the answer. */
  readonly awaited: boolean;
}

export interface OpenCommand {
  readonly id: string;
  readonly shard: number;
  readonly kind: string;
  readonly body: string;
  readonly awaited: number;
}

/** JSON of what the handler answered, or of its error. */
export interface DoneCommand {
  readonly id: string;
  readonly answer: string | null;
  readonly error: string | null;
}

export class SqlCommands {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** `runner`: the transaction it is to be part of. */
  async put(commands: readonly NewCommand[], runner: SqlRunner = this.#db): Promise<void> {
    if (commands.length === 0) return;
    const rows = bulk(runner.dialect, commands, {
      id: 'text', shard: 'integer', kind: 'text', body: 'text', awaited: 'integer',
    }); // prettier-ignore
    await runner.execute(sql`insert into scheduler_commands (id, shard, kind, body, awaited, created_at)
      select id, shard, kind, body, awaited, ${nowMillis} from ${rows} as r`);
  }

  /** Oldest first. */
  open(shards: readonly number[], limit: number): Promise<OpenCommand[]> {
    const owned = bulk(this.#db.dialect, shards.map((shard) => ({ shard })), { shard: 'integer' }); // prettier-ignore
    return this.#db.query(sql<OpenCommand>`select c.id, c.shard, c.kind, c.body, c.awaited from scheduler_commands c
      where c.done_at is null and c.shard in (select shard from ${owned} as o) order by c.id limit ${limit}`);
  }

  answers(ids: readonly string[]): Promise<DoneCommand[]> {
    return this.#db.query(sql<DoneCommand>`select c.id, c.answer, c.error from scheduler_commands c
      where c.id in (select id from ${idsOf(this.#db, ids)} as w) and c.done_at is not null`);
  }

  /** One that was answered already keeps its answer. */
  async answer(done: readonly DoneCommand[]): Promise<void> {
    if (done.length === 0) return;
    const rows = bulk(this.#db.dialect, done, { id: 'text', answer: 'text', error: 'text' });
    await this.#db.execute(sql`update scheduler_commands set answer = r.answer, error = r.error, done_at = ${nowMillis}
      from ${rows} as r where scheduler_commands.id = r.id and scheduler_commands.done_at is null`);
  }

  async remove(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    await this.#db.execute(
      sql`delete from scheduler_commands where id in (select id from ${idsOf(this.#db, ids)} as w)`,
    );
  }

  /** Removes answers that are older; answers how many. */
  prune(keptMs: number, limit: number): Promise<number> {
    return this.#db.execute(sql`delete from scheduler_commands where id in (select c.id from scheduler_commands c
      where c.done_at is not null and c.done_at < ${nowMillis} - ${keptMs} limit ${limit})`);
  }
}

/** Stores a command unless `known` finds something. */
export function putCommandUnless({ id, shard, kind, body, awaited }: NewCommand, known: Statement): Statement {
  return sql`insert into scheduler_commands (id, shard, kind, body, awaited, created_at)
    select ${id}, cast(${shard} as integer), ${kind}, ${body}, cast(${awaited ? 1 : 0} as integer), ${nowMillis}
    where not exists (${known})`;
}

const adoptBody = (runId: string): string => JSON.stringify({ runId });
const [beforeRunId, afterRunId] = adoptBody(' ').split(' ');

/** Ids of the runs that their owners are asked to take on. */
export const waitingRuns: Statement = sql`select
  replace(replace(c.body, cast(${beforeRunId} as text), ''), cast(${afterRunId} as text), '')
  from scheduler_commands c where c.done_at is null and c.kind = 'adopt'`;

/** They wait no more. */
export function removeAdoptions(runIds: readonly string[]): Statement[] {
  if (runIds.length === 0) return [];
  const bodies = runIds.map(adoptBody);
  return [
    sql`delete from scheduler_commands where done_at is null and kind = 'adopt' and body ${oneOf(bodies, 'text')}`,
  ];
}

const idsOf = (db: Database, ids: readonly string[]) => bulk(db.dialect, ids.map((id) => ({ id })), { id: 'text' }); // prettier-ignore
