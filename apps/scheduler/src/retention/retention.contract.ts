/** What ended long ago goes and nothing else, on both databases. Times are far from today, so that each test has days of its own. */
import { sql, type Database } from '@cogmesh/database';
import {
  newRun,
  parseRun,
  type Flush,
  type NewHistoryEntry,
  type NewRun,
  type RunState,
} from '@cogmesh/scheduling-core';
import { createLogger } from '@cogmesh/telemetry';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dayMs } from '../adapters/history-days.js';
import { schedulerMigrations } from '../adapters/migrations.js';
import { SqlEngineStore } from '../adapters/sql-engine-store.js';
import { SqlRetention } from '../adapters/sql-retention.js';
import { SqlRunViews } from '../adapters/sql-run-views.js';
import { storeSubmission } from '../adapters/sql-submissions.js';
import { RunNotifier } from '../engine/run-notifier.js';
import { watchRun } from '../engine/watch-run.js';
import { RetentionLoop } from './retention-loop.js';

/** An empty database, and how to leave it. */
export type OpenDatabase = () => Promise<{ readonly database: Database; readonly close: () => Promise<void> }>;

const always = (): Promise<boolean> => Promise.resolve(true);
const never = (): Promise<boolean> => Promise.resolve(false);

const nothing: Omit<Flush, 'now'> = {
  owned: new Map([[0, 0]]),
  newRuns: [],
  newTasks: [],
  tasks: [],
  runs: [],
  history: [],
  moves: [],
  takenOn: [],
};

let made = 0;

interface Life {
  readonly from: number;
  /** Undefined while it goes on. */
  readonly to?: number;
  readonly tasks?: number;
  readonly parent?: string;
  readonly key?: string;
}

const document = (tasks: number): string =>
  JSON.stringify({
    labels: { team: 'vision', size: String(tasks) },
    tasks: Array.from({ length: tasks }, (_, at) => ({ id: `t${at}`, uses: 'script', script: 'return 1' })),
  });

function bornRun({ from, tasks = 2, parent, key = '' }: Life): NewRun {
  const organisation = 'globex';
  const born = newRun(
    {
      runId: `run_${String((made += 1)).padStart(6, '0')}`,
      organisation,
      shard: 0,
      submittedBy: 'ada',
      plan: parseRun(document(tasks), { organisation }),
      traceparent: '',
      callerTraceparent: '',
      idempotencyKey: key,
      requestSha256: 'sha',
    },
    { now: from, ageingMs: 30_000 },
  );
  if (parent === undefined) return born;
  const nesting = { parentRunId: parent, parentTaskId: 't0', parentItemIndex: -1, rootRunId: parent };
  return { ...born, run: { ...born.run, ...nesting } };
}

/** A run with an entry for each day it lives, and its end. */
async function live(database: Database, life: Life): Promise<string> {
  const store = new SqlEngineStore(database);
  const born = bornRun(life);
  const { run } = born;
  await storeSubmission(database, born);
  const tell = async (time: number, entry: Partial<NewHistoryEntry>): Promise<void> => {
    run.sequence += 1;
    const told: NewHistoryEntry = { runId: run.id, type: 'task.progress', sequence: run.sequence, ...entry };
    await store.flush({ ...nothing, now: time, runs: [run], history: [told] });
  };
  const end = life.to ?? life.from + 3 * dayMs;
  for (let time = life.from + dayMs; time < end; time += dayMs) await tell(time, {});
  if (life.to === undefined) return run.id;
  const state: RunState = 'SUCCEEDED';
  Object.assign(run, { state, finishedAt: life.to, openTasks: 0 });
  await tell(life.to, { type: 'run.done', runState: state });
  return run.id;
}

export function retentionContract(name: string, open: OpenDatabase): void {
  describe(`${name}: retention`, () => {
    let database: Database;
    let close: () => Promise<void>;
    let retention: SqlRetention;
    let views: SqlRunViews;
    /** Midday of a day of long ago. */
    const day = (number: number): number => (10_000 + number) * dayMs + dayMs / 2;

    beforeAll(async () => {
      ({ database, close } = await open());
      await database.migrate(schedulerMigrations);
      retention = new SqlRetention(database);
      views = new SqlRunViews(database);
    });
    afterAll(() => close());

    const entries = async (runId: string): Promise<number> => (await views.history(runId, 0, 100)).length;
    const exists = async (runId: string): Promise<boolean> => (await views.run(runId, 'globex')) !== undefined;
    const rowsOf = async (runId: string): Promise<number> => {
      const [row] = await database.query(sql<{ n: number }>`select
        (select count(*) from tasks where run_id = ${runId}) + (select count(*) from run_labels where run_id = ${runId})
        + (select count(*) from run_events where run_id = ${runId}) as n`);
      return row?.n ?? -1;
    };
    /** PostgreSQL: as if these days had been prepared when they came. */
    const prepare = async (first: number, last: number): Promise<void> => {
      for (let number = first; number <= last; number += 7) await retention.prepare(day(number));
    };

    it('keeps what was there before there were days', async () => {
      const { database: older, close: leave } = await open();
      await older.migrate(schedulerMigrations.filter(({ name: each }) => !each.startsWith('0008')));
      const now = await older.now();
      const ids = [
        await live(older, { from: now - 3 * dayMs, to: now }),
        await live(older, { from: now - 90 * dayMs, to: now - 80 * dayMs }),
      ];
      await older.migrate(schedulerMigrations);
      const later = new SqlRunViews(older);
      expect((await later.history(ids[0] ?? '', 0, 100)).map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4]);
      expect(await later.history(ids[1] ?? '', 0, 100)).toHaveLength(11);
      const labelled = await later.runs({ organisation: 'globex', labels: { team: 'vision' }, limit: 10 });
      expect(labelled.map(({ id }) => id).sort()).toEqual([...ids].sort());
      const dropped = new SqlRetention(older);
      expect(await dropped.dropHistory(now - 30 * dayMs, always)).toBeGreaterThan(0);
      expect(await later.history(ids[1] ?? '', 0, 100)).toEqual([]);
      expect(await later.history(ids[0] ?? '', 0, 100)).toHaveLength(4);
      await leave();
    });

    it('drops the history of runs that ended, and keeps that of runs which go on', async () => {
      await prepare(0, 20);
      const over = await live(database, { from: day(0), to: day(4) });
      const goesOn = await live(database, { from: day(1) });
      const recent = await live(database, { from: day(3), to: day(9) });
      expect(await Promise.all([over, goesOn, recent].map(entries))).toEqual([5, 3, 7]);
      expect(await retention.dropHistory(day(5) - dayMs / 2, always)).toBeGreaterThan(0);
      expect(await Promise.all([over, goesOn, recent].map(entries))).toEqual([0, 3, 5]);
      expect(await exists(over)).toBe(true);
      expect(await retention.dropHistory(day(5) - dayMs / 2, always)).toBe(0);
      expect((await views.history(goesOn, 0, 100)).map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
      // It ends, and its history goes when its time has come.
      await database.execute(sql`update runs set state = 'FAILED', finished_at = ${day(6)} where id = ${goesOn}`);
      await retention.dropHistory(day(5) - dayMs / 2, always);
      expect(await entries(goesOn)).toBe(0);
      expect(await entries(recent)).toBe(5);
    });

    it('ends the watch over a run whose history is gone', async () => {
      await prepare(30, 40);
      const id = await live(database, { from: day(30), to: day(31) });
      await retention.dropHistory(day(35), always);
      const parts = { views, notifier: new RunNotifier() };
      const request = { runId: id, organisation: 'globex', after: 0, signal: AbortSignal.timeout(5_000) };
      for await (const entry of watchRun(parts, request)) expect(entry).toBeUndefined();
      expect(request.signal.aborted).toBe(false);
    });

    it('removes runs that finished, whole, with all that is nested in them', async () => {
      await prepare(100, 120);
      const old = await live(database, { from: day(100), to: day(102), key: 'again' });
      const nested = await live(database, { from: day(100), to: day(101), parent: old });
      const inner = await live(database, { from: day(100), to: day(101), parent: nested });
      const large = await live(database, { from: day(100), to: day(102), tasks: 450 });
      const recent = await live(database, { from: day(100), to: day(110) });
      const goesOn = await live(database, { from: day(100) });
      const endedInIt = await live(database, { from: day(100), to: day(101), parent: goesOn });
      const outlived = await live(database, { from: day(100), to: day(101) });
      await live(database, { from: day(100), parent: outlived });
      await retention.dropRuns(day(105), always);
      const gone = [old, nested, inner, large];
      expect(await Promise.all(gone.map(exists))).toEqual(gone.map(() => false));
      expect(await Promise.all(gone.map(rowsOf))).toEqual(gone.map(() => 0));
      const kept = [recent, goesOn, endedInIt, outlived];
      expect(await Promise.all(kept.map(exists))).toEqual(kept.map(() => true));
      expect(await rowsOf(endedInIt)).toBe(6);
      expect((await storeSubmission(database, bornRun({ from: day(106), key: 'again' }))).replayed).toBe(false);
      expect(await retention.dropRuns(day(105), always)).toBe(0);
    });

    it('goes on where a pass broke off', async () => {
      await prepare(200, 210);
      const lives = Array.from({ length: 5 }, () => ({ from: day(200), to: day(201), tasks: 250 }));
      const ids: string[] = [];
      for (const life of lives) ids.push(await live(database, life));
      let passes = 0;
      for (; passes < 100 && (await Promise.all(ids.map(exists))).includes(true); passes += 1) {
        await retention.dropRuns(day(205), never);
      }
      expect(passes).toBeGreaterThan(5);
      expect(passes).toBeLessThan(100);
      expect(await Promise.all(ids.map(rowsOf))).toEqual(ids.map(() => 0));
    });

    it('removes firings and deliveries, but for those that are still under way', async () => {
      const [over, goesOn] = [
        await live(database, { from: day(300), to: day(301) }),
        await live(database, { from: day(300) }),
      ];
      await database.execute(sql`insert into schedules (id, organisation, name, cron, time_zone, document, misfire,
        max_misfires, overlap, paused, created_by, created_at, revision)
        values ('s1', 'globex', 'nightly', '* * * * *', 'UTC', '{}', 'skip', 1, 'allow', 0, '', 0, 1)`);
      for (const [time, run] of [[day(300), over], [day(301), goesOn], [day(302), 'run_gone'], [day(309), over]] as const) {
        await database.execute(sql`insert into schedule_firings (schedule_id, fire_time, run_id) values ('s1', ${time}, ${run})`);
      } // prettier-ignore
      await database.execute(sql`insert into webhooks (id, organisation, url, states, labels, secret, paused, created_by,
        created_at) values ('w1', 'globex', 'https://x', '[]', '{}', '', 1, '', 0)`);
      for (const [id, created, due] of [['d1', day(300), null], ['d2', day(300), day(400)], ['d3', day(309), null]] as const) {
        await database.execute(sql`insert into webhook_deliveries (id, webhook_id, organisation, run_id, run_state, body,
          attempt, status, error, delivered, due_at, created_at)
          values (${id}, 'w1', 'globex', ${id}, 'FAILED', '{}', 1, 200, '', 1, ${due}, ${created})`);
      } // prettier-ignore
      expect(await retention.dropFirings(day(305), always)).toBe(2);
      expect(await retention.dropDeliveries(day(305), always)).toBe(1);
      const left = await database.query(
        sql<{ at: number }>`select f.fire_time as at from schedule_firings f order by 1`,
      );
      expect(left.map(({ at }) => at)).toEqual([day(301), day(309)]);
      const due = await database.query(sql<{ id: string }>`select d.id from webhook_deliveries d order by 1`);
      expect(due.map(({ id }) => id)).toEqual(['d2', 'd3']);
    });

    describe('the loop', () => {
      // With as many days as a product has, and not those of all tests before.
      beforeAll(async () => {
        await close();
        ({ database, close } = await open());
        await database.migrate(schedulerMigrations);
        retention = new SqlRetention(database);
        views = new SqlRunViews(database);
      });

      const loopOf = (more: Partial<ConstructorParameters<typeof RetentionLoop>[0]>) =>
        new RetentionLoop({
          table: retention,
          historyDays: 30,
          runDays: 30,
          isResponsible: () => true,
          logger: createLogger({ level: 'silent' }),
          ...more,
        });

      it('keeps everything for ever when it is told so, and removes nothing that somebody else is responsible for', async () => {
        const now = await database.now();
        const id = await live(database, { from: now - 60 * dayMs, to: now - 50 * dayMs });
        const none = { history: 0, firings: 0, deliveries: 0, runs: 0 };
        expect(await loopOf({ historyDays: 0, runDays: 0 }).pass()).toEqual(none);
        expect(await entries(id)).toBe(11);
        const kept = loopOf({ runDays: 0 });
        expect((await kept.pass()).history).toBeGreaterThan(0);
        expect([await entries(id), await exists(id)]).toEqual([0, true]);
        let asked = 0;
        await loopOf({ isResponsible: () => (asked += 1) > 1_000 }).pass();
        expect(asked).toBeGreaterThan(0);
        await loopOf({}).pass();
        expect(await exists(id)).toBe(false);
      });

      it('stops at once', async () => {
        const loop = loopOf({});
        loop.start();
        const began = performance.now();
        await loop.stop();
        expect(performance.now() - began).toBeLessThan(2_000);
      });
    });
  });
}
