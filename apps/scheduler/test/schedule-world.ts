/**
 * Schedules on a real database with a clock that a test moves: the loop, its store and the storing of runs are the real
 * ones; only what lies beyond ports (policy's answer, agents) is not there.
 */
import { nowMillis, sql, type Database, type Statement } from '@cogmesh/database';
import { defaultAgeingMs, newRun, parseRun } from '@cogmesh/scheduling-core';
import { createLogger } from '@cogmesh/telemetry';
import { ulid } from 'ulid';
import { schedulerMigrations } from '../src/adapters/migrations.js';
import { SqlSchedules, type NewSchedule } from '../src/adapters/sql-schedules.js';
import { storeSubmission, type StoredSubmission } from '../src/adapters/sql-submissions.js';
import type { SubmitRequest } from '../src/engine/submit-run.js';
import type { Decisions } from '../src/schedules/decisions.js';
import type { FiringContext } from '../src/schedules/fire.js';
import { SchedulesLoop } from '../src/schedules/schedules-loop.js';

export const minute = 60_000;
export const creator = {
  issuer: 'https://globex.example',
  sub: 'ada',
  organisation: 'globex',
  roles: ['member'],
  attributes: {},
};

export interface StoredRun {
  readonly id: string;
  readonly name: string;
  readonly labels: string;
  readonly input: string;
  readonly state: string;
}

export class ScheduleWorld {
  readonly db: Database;
  readonly schedules: SqlSchedules;
  readonly cancelled: string[] = [];
  /** Minutes since a round time. */
  #now: number;
  /** Replaced by a test. */
  decide: Decisions['require'] = () => Promise.resolve();
  /** Called inside the transaction of a run, after everything is written; may throw. */
  beforeCommit: () => void = () => undefined;
  readonly start = Date.parse('2026-05-01T00:00:00Z');

  constructor(db: Database) {
    this.db = db;
    this.#now = this.start;
    this.schedules = new SqlSchedules(db, this.clock);
  }

  static async open(db: Database): Promise<ScheduleWorld> {
    await db.migrate(schedulerMigrations);
    return new ScheduleWorld(db);
  }

  get clock(): () => Statement<number> {
    return () => sql<number>`${nowMillis} * 0 + ${this.#now}`;
  }

  at(minutes: number): number {
    return this.start + minutes * minute;
  }

  /** Sets the database's clock, minutes after the start. */
  moveTo(minutes: number): void {
    this.#now = this.at(minutes);
  }

  /** Every minute from minute 1 on. */
  async put(change: Partial<NewSchedule> = {}): Promise<string> {
    const id = change.id ?? `schedule_${ulid()}`;
    const document = {
      input: { at: '${{ schedule.time }}' },
      tasks: [{ id: 'a', uses: 'script', script: 'return 1' }],
    };
    await this.schedules.put({
      id,
      organisation: 'globex',
      name: 'every-minute',
      cron: '* * * * *',
      timeZone: '',
      document: JSON.stringify(document),
      misfire: 'once',
      maxMisfires: 10,
      overlap: 'allow',
      paused: 0,
      nextAt: this.at(1),
      createdBy: JSON.stringify(creator),
      ...change,
    });
    return id;
  }

  /** What one replica has, on its own connection. */
  firing(db: Database = this.db): FiringContext {
    const submit = (request: SubmitRequest): Promise<StoredSubmission> => this.#store(db, request);
    const decisions = { require: (...asked: Parameters<Decisions['require']>) => this.decide(...asked) };
    return { schedules: new SqlSchedules(db, this.clock), decisions, submit, maxExpressionSteps: 10_000 };
  }

  loop(db: Database = this.db): SchedulesLoop {
    const cancel = async (runId: string): Promise<void> => {
      this.cancelled.push(runId);
      await this.end(runId, 'CANCELLED');
    };
    return new SchedulesLoop({
      ...this.firing(db),
      cancel,
      graceMs: minute,
      logger: createLogger({ level: 'silent' }),
    });
  }

  async #store(db: Database, request: SubmitRequest): Promise<StoredSubmission> {
    const plan = parseRun(request.documentJson, { organisation: request.organisation });
    await request.requireAccess([{ action: 'create', resource: '/runs' }]);
    const { organisation, submittedBy, traceparent, callerTraceparent, scheduleId = '' } = request;
    const submission = { organisation, submittedBy, traceparent, callerTraceparent, plan, idempotencyKey: '' };
    const runId = `run_${ulid()}`;
    const born = newRun(
      { ...submission, runId, shard: 0, requestSha256: '', scheduleId },
      { now: await db.now(), ageingMs: defaultAgeingMs },
    );
    return storeSubmission(this.#failing(db), born, { before: request.before });
  }

  /** The database as it is when the process dies at the end of a transaction. */
  #failing(db: Database): Database {
    return Object.create(db, {
      transaction: {
        value: <T>(work: Parameters<Database['transaction']>[0]) =>
          db.transaction(async (tx) => {
            const result = (await work(tx)) as T;
            this.beforeCommit();
            return result;
          }),
      },
      dialect: { value: db.dialect },
    }) as Database;
  }

  /** Polls until nothing is due; answers how often. */
  async settle(loop: SchedulesLoop): Promise<number> {
    for (let polls = 1; polls < 200; polls += 1) if ((await loop.poll()) > 0) return polls;
    throw new Error('there is always something due');
  }

  async end(runId: string, state = 'SUCCEEDED'): Promise<void> {
    await this.db.execute(sql`update runs set state = ${state} where id = ${runId}`);
  }

  runs(): Promise<StoredRun[]> {
    return this.db.query(sql<StoredRun>`select id, name, labels, input, state from runs order by created_at, id`);
  }

  /** Minutes the runs were made for, in order. */
  async fired(): Promise<number[]> {
    const times = (await this.runs()).map(({ input }) => Date.parse((JSON.parse(input) as { at: string }).at));
    return times.map((time) => (time - this.start) / minute).sort((a, b) => a - b);
  }

  async state(name = 'every-minute') {
    const found = await this.schedules.find('globex', name);
    if (!found) throw new Error(`there is no schedule ${name}`);
    return found;
  }
}
