/**
 * History is kept by the day it is of, so that what is old goes away as a whole. In SQLite rows lie in the order in which
 * they came, which serves as well. Labels no longer refer to their run: each run that goes away would be looked for among
 * all of them.
 */
import { sql, type Migration, type SqlRunner } from '@cogmesh/database';
import { createDays, dayOf, daysAhead, daysBetween } from '../history-days.js';

/** History that is older is kept together. */
const maxPastDays = 60;

async function divideHistory(db: SqlRunner): Promise<void> {
  await db.execute(sql`alter table run_events rename to run_events_before`);
  await db.execute(sql`alter index run_events_pkey rename to run_events_before_pkey`);
  await db.execute(sql`create table run_events (like run_events_before) partition by range (time)`);
  await db.execute(sql`alter table run_events add primary key (run_id, sequence, time)`);
  await db.execute(sql`create table run_events_default partition of run_events default`);
  const [times] = await db.query(sql<{ first: number | null; now: number }>`select min(time) as first,
    cast(extract(epoch from now()) * 1000 as bigint) as now from run_events_before`);
  const today = dayOf(times?.now ?? 0);
  const first = Math.max(dayOf(times?.first ?? times?.now ?? 0), today - maxPastDays);
  await createDays(db, daysBetween(Math.min(first, today), today + daysAhead));
  await db.execute(sql`insert into run_events select * from run_events_before`);
  await db.execute(sql`drop table run_events_before`);
}

async function freeLabels(db: SqlRunner): Promise<void> {
  await db.execute(sql`create table run_labels_after (
    organisation text not null,
    name text not null,
    value text not null,
    run_id text not null,
    primary key (organisation, name, value, run_id)
  )`);
  await db.execute(sql`insert into run_labels_after select organisation, name, value, run_id from run_labels`);
  await db.execute(sql`drop table run_labels`);
  await db.execute(sql`alter table run_labels_after rename to run_labels`);
}

export const retentionMigration: Migration = {
  name: '0008-retention',
  up: async (db) => {
    if (db.dialect === 'sqlite') return freeLabels(db);
    await db.execute(sql`alter table run_labels drop constraint run_labels_run_id_fkey`);
    await divideHistory(db);
  },
};
