/**
 * Schedules and their firings. Whoever moves a schedule on names the revision it saw: of two replicas, or of one before and
 * after a crash, exactly one moves it. Every change asks one clock, which a test may replace.
 */
import { nowMillis, sql, type Database, type SqlRunner, type Statement } from '@cogmesh/database';
import type { ScheduleRow } from '../model/schedule.js';

const columns = sql.raw(
  `s.id, s.organisation, s.name, s.cron, s.time_zone as "timeZone", s.document, s.misfire, s.max_misfires as "maxMisfires",
  s.overlap, s.paused, s.next_at as "nextAt", s.waiting_at as "waitingAt", s.due_at as "dueAt", s.last_at as "lastAt",
  s.last_run_id as "lastRunId", s.last_error as "lastError", s.created_by as "createdBy", s.revision`,
);

/** What a step changes; absent keeps what is there. */
export interface Move {
  readonly nextAt: number | null;
  readonly waitingAt: number | null;
  readonly dueAt: number | null;
  readonly lastAt?: number;
  readonly lastRunId?: string;
  /** JSON of a Failure, null to forget the last one. */
  readonly lastError?: string | null;
}

export type NewSchedule = Pick<
  ScheduleRow,
  | 'id' | 'organisation' | 'name' | 'cron' | 'timeZone' | 'document' | 'misfire' | 'maxMisfires' | 'overlap' | 'paused'
  | 'nextAt' | 'createdBy'
>; // prettier-ignore

export interface DueSchedules {
  readonly now: number;
  readonly schedules: readonly ScheduleRow[];
  /** Milliseconds until the next one is due; undefined when none waits. */
  readonly nextInMs: number | undefined;
}

export class SqlSchedules {
  readonly #db: Database;
  readonly #now: () => Statement<number>;

  constructor(db: Database, now: () => Statement<number> = () => nowMillis) {
    this.#db = db;
    this.#now = now;
  }

  async now(): Promise<number> {
    const [clock] = await this.#db.query(sql<{ now: number }>`select ${this.#now()} as now`);
    return clock?.now ?? 0;
  }

  async due(limit: number): Promise<DueSchedules> {
    const [clock] = await this.#db.query(sql<{ now: number; next: number | null }>`select ${this.#now()} as now,
      (select min(s.due_at) from schedules s where s.due_at is not null) as next`);
    const now = clock?.now ?? 0;
    const next = clock?.next ?? undefined;
    if (next === undefined || next > now) return { now, schedules: [], nextInMs: next && next - now };
    const schedules = await this.#db.query(sql<ScheduleRow>`select ${columns} from schedules s
      where s.due_at is not null and s.due_at <= ${now} order by s.due_at limit ${limit}`);
    return { now, schedules, nextInMs: 0 };
  }

  /** By id or name. */
  async find(organisation: string, idOrName: string): Promise<ScheduleRow | undefined> {
    const [row] = await this.#db.query(sql<ScheduleRow>`select ${columns} from schedules s
      where s.organisation = ${organisation} and (s.id = ${idOrName} or s.name = ${idOrName})`);
    return row;
  }

  /** Newest first. */
  list(organisation: string, limit: number, before: string | undefined): Promise<ScheduleRow[]> {
    const older = before === undefined ? sql`` : sql`and s.id < ${before}`;
    return this.#db.query(sql<ScheduleRow>`select ${columns} from schedules s
      where s.organisation = ${organisation} ${older} order by s.id desc limit ${limit}`);
  }

  async count(organisation: string): Promise<number> {
    const [row] = await this.#db.query(
      sql<{ count: number }>`select count(*) as count from schedules s where s.organisation = ${organisation}`,
    );
    return row?.count ?? 0;
  }

  /** By name: a replaced one keeps its id and what it fired. */
  async put(schedule: NewSchedule): Promise<void> {
    const { id, organisation, name, cron, timeZone, document, misfire, maxMisfires, overlap, paused } = schedule;
    const dueAt = paused === 1 ? null : schedule.nextAt;
    await this.#db.execute(sql`insert into schedules (id, organisation, name, cron, time_zone, document, misfire,
        max_misfires, overlap, paused, next_at, due_at, created_by, created_at, revision)
      values (${id}, ${organisation}, ${name}, ${cron}, ${timeZone}, ${document}, ${misfire}, ${maxMisfires}, ${overlap},
        ${paused}, ${schedule.nextAt}, ${dueAt}, ${schedule.createdBy}, ${this.#now()}, 1)
      on conflict (organisation, name) do update set cron = excluded.cron, time_zone = excluded.time_zone,
        document = excluded.document, misfire = excluded.misfire, max_misfires = excluded.max_misfires,
        overlap = excluded.overlap, paused = excluded.paused, next_at = excluded.next_at, due_at = excluded.due_at,
        waiting_at = null, last_error = null, created_by = excluded.created_by, revision = schedules.revision + 1`);
  }

  /** Its runs stay. False when there is none. */
  delete(scheduleId: string): Promise<boolean> {
    return this.#db.transaction(async (tx) => {
      // The schedule is locked first, as by a firing.
      await tx.execute(sql`update schedules set revision = revision + 1, due_at = null where id = ${scheduleId}`);
      await tx.execute(sql`delete from schedule_firings where schedule_id = ${scheduleId}`);
      return (await tx.execute(sql`delete from schedules where id = ${scheduleId}`)) > 0;
    });
  }

  /** False when somebody else moved it since `seen` was read. */
  async move(seen: Pick<ScheduleRow, 'id' | 'revision'>, move: Move, tx: SqlRunner = this.#db): Promise<boolean> {
    const { nextAt, waitingAt, dueAt, lastAt, lastRunId, lastError } = move;
    const last = lastAt === undefined ? sql`` : sql`, last_at = ${lastAt}`;
    const run = lastRunId === undefined ? sql`` : sql`, last_run_id = ${lastRunId}`;
    const error = lastError === undefined ? sql`` : sql`, last_error = ${lastError}`;
    const moved = await tx.execute(sql`update schedules set next_at = ${nextAt}, waiting_at = ${waitingAt},
      due_at = ${dueAt}, revision = revision + 1 ${last} ${run} ${error}
      where id = ${seen.id} and revision = ${seen.revision}`);
    return moved > 0;
  }

  /** Remembers a run that was started beside the times. */
  async ran(scheduleId: string, runId: string, tx: SqlRunner): Promise<void> {
    await tx.execute(
      sql`update schedules set last_run_id = ${runId}, revision = revision + 1 where id = ${scheduleId}`,
    );
  }

  /** False when the schedule has fired for this time already. */
  async claimTime(tx: SqlRunner, scheduleId: string, fireTime: number, runId: string): Promise<boolean> {
    const claimed = await tx.execute(sql`insert into schedule_firings (schedule_id, fire_time, run_id)
      values (${scheduleId}, ${fireTime}, ${runId}) on conflict (schedule_id, fire_time) do nothing`);
    return claimed > 0;
  }

  /** Of those times, the ones it has fired for. */
  async firedBetween(scheduleId: string, from: number, to: number): Promise<Set<number>> {
    const rows = await this.#db.query(sql<{ time: number }>`select f.fire_time as time from schedule_firings f
      where f.schedule_id = ${scheduleId} and f.fire_time >= ${from} and f.fire_time < ${to}`);
    return new Set(rows.map((row) => row.time));
  }

  /** False for a run that ended, or that nobody knows. */
  async isUnfinished(runId: string): Promise<boolean> {
    const rows = await this.#db.query(sql`select 1 as one from runs r
      where r.id = ${runId} and r.state in ('PENDING', 'RUNNING', 'PAUSED', 'CANCELLING')`);
    return rows.length > 0;
  }
}
