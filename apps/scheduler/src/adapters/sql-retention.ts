/**
 * Removes what ended long ago, a few rows at a time: each step is one short statement or transaction that can be the last,
 * and the next pass goes on where it stopped. Nothing that goes on is touched: not a run that is unfinished, nor its history,
 * nor a run that one which is unfinished is nested in. Ids carry their time, so rows are read in the order of their keys from
 * the oldest on, and no index is kept for this alone.
 */
import { bulk, byDialect, oneOf, sql, type Database, type SqlRunner, type Statement } from '@cogmesh/database';
import { createDaysAhead, dayOf, dropDay, historySlackMs, knownDays } from './history-days.js';

/** Rows written by one step. */
const stepRows = 200;
/** Rows read by one step. */
const pageRows = 500;

/** Waits between two steps; false when there is to be no other. */
export type Rest = () => Promise<boolean>;

interface FinishedRun {
  readonly id: string;
  readonly organisation: string;
  readonly labels: string;
  readonly createdAt: number;
  readonly finishedAt: number | null;
}

interface TreeRun extends FinishedRun {
  /** The outermost run. */
  readonly root: string;
  /** Of its own, items included. */
  readonly tasks: number;
  readonly depth: number;
}

export class SqlRetention {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  now(): Promise<number> {
    return this.#db.now();
  }

  /** Room for the history of the days to come. False when it could not be made now. */
  async prepare(now: number): Promise<boolean> {
    return this.#db.dialect === 'sqlite' || createDaysAhead(this.#db, now);
  }

  /** History of before `horizon`, of runs that ended. Answers how many days went whole, or entries. */
  async dropHistory(horizon: number, rest: Rest): Promise<number> {
    if (this.#db.dialect === 'sqlite') return this.#dropEntries(horizon, rest);
    let days = 0;
    for (const day of await knownDays(this.#db)) {
      if (day >= dayOf(horizon)) break;
      if (await dropDay(this.#db, day)) days += 1;
      if (!(await rest())) return days;
    }
    return days + (await this.#dropStrays(horizon, rest));
  }

  /** Entries in the order in which they came. */
  async #dropEntries(horizon: number, rest: Rest): Promise<number> {
    let [dropped, after] = [0, 0];
    for (;;) {
      const page = await this.#db.query(sql<{
        row: number;
        time: number;
        isOver: number;
      }>`select e.rowid as "row", e.time,
        coalesce(r.finished_at, case when r.id is null then 0 end) is not null as "isOver"
        from run_events e left join runs r on r.id = e.run_id where e.rowid > ${after} order by e.rowid limit ${stepRows}`);
      const old = page.filter(({ time, isOver }) => time < horizon && isOver === 1).map(({ row }) => row);
      if (old.length > 0)
        dropped += await this.#db.execute(sql`delete from run_events where rowid ${oneOf(old, 'bigint')}`);
      after = page.at(-1)?.row ?? after;
      if (page.length < stepRows || page.every(({ time }) => time >= horizon) || !(await rest())) return dropped;
    }
  }

  /** What no day took: history of runs that went on when its day went, mostly. */
  async #dropStrays(horizon: number, rest: Rest): Promise<number> {
    let [dropped, after] = [0, ''];
    for (;;) {
      const runs = await this.#db.query(sql<{ id: string; isOver: number }>`select e.run_id as id,
        cast(coalesce(max(r.finished_at), case when max(r.id) is null then 0 end) is not null as integer) as "isOver"
        from (select d.run_id from run_events_default d where d.run_id > ${after}
          group by d.run_id order by d.run_id limit ${stepRows}) as e
        left join runs r on r.id = e.run_id group by e.run_id order by e.run_id`);
      const over = runs.filter(({ isOver }) => isOver === 1).map(({ id }) => id);
      if (over.length > 0) {
        dropped += await this.#db.execute(sql`delete from run_events_default
          where run_id ${oneOf(over, 'text')} and time < ${horizon}`);
      }
      after = runs.at(-1)?.id ?? after;
      if (runs.length < stepRows || !(await rest())) return dropped;
    }
  }

  /** Times that schedules fired before `horizon`, but for those whose run goes on. */
  async dropFirings(horizon: number, rest: Rest): Promise<number> {
    let [dropped, after] = [0, ''];
    for (;;) {
      const [schedule] = await this.#db.query(sql<{ id: string }>`select s.id from schedules s
        where s.id > ${after} order by s.id limit 1`);
      if (!schedule) return dropped;
      const gone = await this.#db.execute(sql`delete from schedule_firings where schedule_id = ${schedule.id}
        and fire_time in (select f.fire_time from schedule_firings f left join runs r on r.id = f.run_id
          where f.schedule_id = ${schedule.id} and f.fire_time < ${horizon} and (r.id is null or r.finished_at is not null)
          order by f.fire_time limit ${stepRows})`);
      dropped += gone;
      if (gone < stepRows) after = schedule.id;
      if (gone > 0 && !(await rest())) return dropped;
    }
  }

  /** Deliveries of before `horizon` that arrived or were given up. */
  async dropDeliveries(horizon: number, rest: Rest): Promise<number> {
    let [dropped, after] = [0, ''];
    for (;;) {
      const page = await this.#db.query(sql<{ id: string; createdAt: number; dueAt: number | null }>`select d.id,
        d.created_at as "createdAt", d.due_at as "dueAt" from webhook_deliveries d
        where d.id > ${after} order by d.id limit ${stepRows}`);
      const old = page.filter(({ createdAt, dueAt }) => createdAt < horizon && dueAt === null).map(({ id }) => id);
      if (old.length > 0) {
        dropped += await this.#db.execute(sql`delete from webhook_deliveries where id ${oneOf(old, 'text')}`);
      }
      after = page.at(-1)?.id ?? after;
      if (page.length < stepRows || page.every(({ createdAt }) => createdAt >= horizon) || !(await rest()))
        return dropped;
    }
  }

  /** Runs that finished before `horizon`, with all that is nested in them. Answers how many. */
  async dropRuns(horizon: number, rest: Rest): Promise<number> {
    let [dropped, after] = [0, ''];
    for (;;) {
      const page = await this.#db.query(sql<
        FinishedRun & { parent: string | null }
      >`select r.id, r.organisation, r.labels,
        r.created_at as "createdAt", r.finished_at as "finishedAt", r.parent_run_id as parent
        from runs r where r.id > ${after} order by r.id limit ${pageRows}`);
      const isOld = ({ finishedAt }: FinishedRun): boolean => finishedAt !== null && finishedAt < horizon;
      const roots = page.filter((run) => run.parent === null && isOld(run)).map(({ id }) => id);
      if (roots.length > 0) dropped += await this.#dropTrees(roots, { isOld, rest });
      after = page.at(-1)?.id ?? after;
      if (page.length < pageRows || page.every(({ createdAt }) => createdAt >= horizon) || !(await rest()))
        return dropped;
    }
  }

  /** A run goes after what is nested in it, so that a pass which breaks off leaves nothing that no other finds. */
  async #dropTrees(
    roots: readonly string[],
    { isOld, rest }: { readonly isOld: (run: FinishedRun) => boolean; readonly rest: Rest },
  ): Promise<number> {
    const trees = [...Map.groupBy(await this.#trees(roots), ({ root }) => root).values()];
    let dropped = 0;
    const batch: TreeRun[] = [];
    const drop = async (): Promise<boolean> => {
      const runs = batch.splice(0);
      if (runs.length === 0) return true;
      await this.#db.batch(dropsOf(this.#db.dialect, runs));
      dropped += runs.length;
      return rest();
    };
    for (const run of trees.filter((tree) => tree.every(isOld)).flat()) {
      if (run.tasks > stepRows && !(await this.#dropTasks(run.id, rest))) return dropped;
      const size = batch.reduce((sum, { tasks }) => sum + 1 + Math.min(tasks, stepRows), 0);
      if (size + Math.min(run.tasks, stepRows) > stepRows && !(await drop())) return dropped;
      batch.push(run);
    }
    await drop();
    return dropped;
  }

  /** The innermost first. */
  #trees(roots: readonly string[]): Promise<TreeRun[]> {
    return this.#db.query(sql<TreeRun>`with recursive inside as (
        select r.id, r.id as root, 0 as depth from runs r where r.id ${oneOf(roots, 'text')}
        union all select r.id, i.root, i.depth + 1 from runs r join inside i on r.parent_run_id = i.id)
      select i.id, i.root, i.depth, r.organisation, r.labels, r.created_at as "createdAt", r.finished_at as "finishedAt",
        (select count(*) from tasks t where t.run_id = i.id) as tasks
      from inside i join runs r on r.id = i.id order by i.root, i.depth desc, i.id`);
  }

  /** Of a run that is too large for one step. */
  async #dropTasks(runId: string, rest: Rest): Promise<boolean> {
    for (;;) {
      const gone = await this.#db.execute(sql`delete from tasks where run_id = ${runId} and (task_id, item_index) in
        (select t.task_id, t.item_index from tasks t where t.run_id = ${runId}
          order by t.task_id desc, t.item_index desc limit ${stepRows})`);
      if (!(await rest())) return false;
      if (gone < stepRows) break;
    }
    for (;;) {
      const gone = await this.#db.execute(sql`delete from run_events where run_id = ${runId} and sequence in
        (select e.sequence from run_events e where e.run_id = ${runId} order by e.sequence desc limit ${stepRows})`);
      if (!(await rest())) return false;
      if (gone < stepRows) return true;
    }
  }
}

/** What belongs to these runs, and they themselves. */
function dropsOf(dialect: SqlRunner['dialect'], runs: readonly TreeRun[]): Statement[] {
  const ids = oneOf(
    runs.map(({ id }) => id),
    'text',
  );
  const first = Math.min(...runs.map(({ createdAt }) => createdAt)) - historySlackMs;
  const last = Math.max(...runs.map(({ finishedAt }) => finishedAt ?? 0)) + historySlackMs;
  const labels = runs.flatMap(({ id, organisation, labels: text }) =>
    Object.entries(JSON.parse(text) as Record<string, string>).map(([name, value]) => {
      return { organisation, name, value, run_id: id };
    }),
  );
  const carried = bulk(dialect, labels, { organisation: 'text', name: 'text', value: 'text', run_id: 'text' });
  // Days that none of them saw are not looked into.
  const days = byDialect({ postgres: sql`and time >= ${first} and time <= ${last}`, sqlite: sql`` });
  return [
    sql`delete from run_events where run_id ${ids} ${days}`,
    sql`delete from run_labels where (organisation, name, value, run_id) in
      (select l.organisation, l.name, l.value, l.run_id from ${carried} as l)`,
    sql`delete from tasks where run_id ${ids}`,
    sql`delete from runs where id ${ids}`,
  ];
}
