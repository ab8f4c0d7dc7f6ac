/**
 * History in PostgreSQL: one partition of `run_events` for each day (UTC), and a default one for what no day takes. Days are
 * made ahead and go away whole, each in a moment: whoever waits for a lock longer than that gives up and comes back.
 */
import { toCogmeshError } from '@cogmesh/errors';
import { oneOf, sql, type Database, type SqlRunner } from '@cogmesh/database';

export const dayMs = 86_400_000;
/** Days that are made before they come. */
export const daysAhead = 7;

/** Clocks differ, and an entry may be stored a little after it happened, milliseconds. */
export const historySlackMs = 3_600_000;

/** Longer than this nobody waits behind us, milliseconds. */
const lockMs = 50;
/** Unfinished runs whose history is taken out of a day that goes; a day with more stays. */
const maxKept = 500;

/** Days since the epoch. */
export const dayOf = (ms: number): number => Math.floor(ms / dayMs);

/** Both included. */
export const daysBetween = (first: number, last: number): number[] =>
  Array.from({ length: Math.max(0, last - first + 1) }, (_, at) => first + at);

const tableOf = (day: number): string =>
  `run_events_${new Date(day * dayMs).toISOString().slice(0, 10).replaceAll('-', '')}`;

/** Where history has no days this does nothing. Those that are there already are left alone. */
export async function createDays(db: SqlRunner, days: readonly number[]): Promise<void> {
  const known = new Set(await knownDays(db));
  for (const day of days.filter((each) => !known.has(each))) {
    const [table, from, to] = [sql.raw(tableOf(day)), sql.lit(day * dayMs), sql.lit((day + 1) * dayMs)];
    await db.execute(sql`create table ${table} (like run_events)`);
    // What came for this day before it was made.
    await db.execute(sql`with moved as (delete from run_events_default where time >= ${from} and time < ${to} returning *)
      insert into ${table} select * from moved`);
    await db.execute(sql`alter table run_events attach partition ${table} for values from (${from}) to (${to})`);
  }
}

/** Days that have a partition, oldest first. */
export async function knownDays(db: SqlRunner): Promise<number[]> {
  const rows = await db.query(sql<{ name: string }>`select c.relname as name from pg_inherits i
    join pg_class c on c.oid = i.inhrelid where i.inhparent = cast('run_events' as regclass)`);
  return rows
    .flatMap(({ name }) => {
      const [, year, month, day] = /_(\d{4})(\d{2})(\d{2})$/.exec(name) ?? [];
      return year === undefined ? [] : [dayOf(Date.UTC(Number(year), Number(month) - 1, Number(day)))];
    })
    .sort((a, b) => a - b);
}

/** One transaction for each day; answers false when somebody was in the way: later, then. */
export async function createDaysAhead(db: Database, now: number): Promise<boolean> {
  const today = dayOf(now);
  for (const day of daysBetween(today, today + daysAhead)) {
    if (!(await briefly(db, (tx) => createDays(tx, [day])))) return false;
  }
  return true;
}

/** A day goes away with its history, but for that of runs which go on. Answers false when it has to stay for now. */
export async function dropDay(db: Database, day: number): Promise<boolean> {
  const end = (day + 1) * dayMs;
  const unfinished = await db.query(sql<{ id: string }>`select r.id from runs r
    where r.state in ('PENDING', 'RUNNING', 'PAUSED', 'CANCELLING') and r.created_at < ${end} limit ${maxKept + 1}`);
  if (unfinished.length > maxKept) return false;
  const ids = unfinished.map(({ id }) => id);
  const table = sql.raw(tableOf(day));
  return briefly(db, async (tx) => {
    await tx.execute(sql`alter table run_events detach partition ${table}`);
    // No day takes it any more: the default partition does.
    if (ids.length > 0) {
      await tx.execute(sql`insert into run_events select e.* from ${table} e where e.run_id ${oneOf(ids, 'text')}`);
    }
    await tx.execute(sql`drop table ${table}`);
  });
}

const lockNotAvailable = '55P03';

async function briefly(db: Database, work: (tx: SqlRunner) => Promise<void>): Promise<boolean> {
  try {
    await db.transaction(async (tx) => {
      await tx.execute(sql`set local lock_timeout = ${sql.lit(lockMs)}`);
      await work(tx);
    });
    return true;
  } catch (thrown) {
    const error = toCogmeshError(thrown);
    if (error.details['sqlState'] === lockNotAvailable) return false;
    throw error;
  }
}
