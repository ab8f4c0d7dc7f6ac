/**
 * Fires schedules. One poller over the partial index of due ones, which sleeps until the next is due, at most a second, so
 * that an idle scheduler costs next to nothing. Each step is taken by the planner of scheduling-core from the stored state
 * and stored with what it did; a step that has to wait (policy or a quota) is taken again later and delays no other schedule.
 */
import { CogmeshError, toCogmeshError } from '@cogmesh/errors';
import { cronTimes, nextStep, type Step } from '@cogmesh/scheduling-core';
import type { Logger } from '@cogmesh/telemetry';
import type { DueSchedules, Move } from '../adapters/sql-schedules.js';
import { Backoff } from '../engine/backoff.js';
import { Signal } from '../engine/signal.js';
import type { ScheduleRow } from '../model/schedule.js';
import { creatorOf, fire, Superseded, type FiringContext } from './fire.js';

const batch = 50;
/** Longest sleep, milliseconds: the backstop for schedules put through another replica. */
const maxSleepMs = 1_000;
/** How often a time that waits for a run looks whether it has ended, milliseconds. */
const waitingMs = 1_000;
/** How long a firing rests that nobody can decide on or no quota has room for, milliseconds. */
const retryMs = 5_000;

export interface SchedulesLoopOptions extends FiringContext {
  /** Ends a run for the next one; resolves when it is over. */
  readonly cancel: (runId: string, reason: string) => Promise<void>;
  /** With `skip`, a time this late is dropped, milliseconds. */
  readonly graceMs: number;
  /** Several schedulers share the schedules: this one fires. It is safe for others to fire too, and costs more. */
  readonly isOn?: () => boolean;
  readonly logger: Logger;
}

export class SchedulesLoop {
  readonly #options: SchedulesLoopOptions;
  readonly #signal = new Signal();
  readonly #backoff = new Backoff();
  #stopped = false;
  #loop: Promise<void> | undefined;

  constructor(options: SchedulesLoopOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#signal.set();
    await this.#loop;
  }

  /** A schedule was put: it may be due sooner than what is slept for. */
  wake(): void {
    this.#signal.set();
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      let restMs: number;
      try {
        restMs = await this.poll();
        this.#backoff.succeeded();
      } catch (thrown) {
        restMs = this.#backoff.next();
        const error = toCogmeshError(thrown);
        this.#options.logger.warn({ code: error.code, err: error, restMs }, `schedules rest: ${error.message}`);
      }
      if (!this.#stopped && restMs > 0) await this.#signal.wait(restMs);
    }
  }

  /** Takes one step of each schedule that is due; answers how long to sleep, milliseconds. */
  async poll(): Promise<number> {
    if (this.#options.isOn?.() === false) return maxSleepMs;
    const due = await this.#options.schedules.due(batch);
    for (const schedule of due.schedules) if (!this.#stopped) await this.#take(schedule, due);
    if (due.schedules.length > 0) return 0;
    return Math.min(maxSleepMs, Math.max(1, due.nextInMs ?? maxSleepMs));
  }

  async #take(schedule: ScheduleRow, { now }: DueSchedules): Promise<void> {
    try {
      const { lastRunId } = schedule;
      const lastIsUnfinished = lastRunId !== null && (await this.#options.schedules.isUnfinished(lastRunId));
      const times = cronTimes(schedule.cron, schedule.timeZone);
      const { graceMs } = this.#options;
      await this.#act(schedule, nextStep(schedule, { times, now, lastIsUnfinished, graceMs }), now);
    } catch (thrown) {
      if (thrown instanceof Superseded) return;
      await this.#putOff(schedule, toCogmeshError(thrown), now);
    }
  }

  async #act(schedule: ScheduleRow, step: Step, now: number): Promise<void> {
    const { schedules } = this.#options;
    const move: Move = { nextAt: step.nextAt, waitingAt: step.waitingAt, dueAt: dueOf(step, now) };
    if (step.fire === undefined) {
      const lastError = step.dropped === undefined ? undefined : failureOfDropped(schedule, step.dropped);
      await schedules.move(schedule, { ...move, ...(lastError === undefined ? {} : { lastError }) });
      return;
    }
    await this.#fire(schedule, { timeMs: step.fire, cancels: step.cancelLast === true }, move);
  }

  async #fire(
    schedule: ScheduleRow,
    { timeMs, cancels }: { readonly timeMs: number; readonly cancels: boolean },
    move: Move,
  ): Promise<void> {
    const { schedules, decisions, cancel, logger } = this.#options;
    try {
      const runId = await fire(this.#options, {
        schedule,
        timeMs,
        requireAccess: async (needed) => {
          await decisions.require(creatorOf(schedule), needed);
          // Before the new run: after a crash in between the old one is over, and this step is taken again.
          if (cancels) await cancel(schedule.lastRunId ?? '', `schedule ${schedule.name} fires again`);
        },
        before: async (tx, id) => {
          const moved = await schedules.move(schedule, { ...move, lastAt: timeMs, lastRunId: id, lastError: null }, tx);
          if (!moved) throw new Superseded();
          if (!(await schedules.claimTime(tx, schedule.id, timeMs, id))) throw new AlreadyFired();
        },
      });
      logger.info({ scheduleId: schedule.id, runId, time: timeMs }, `schedule ${schedule.name} fired`);
    } catch (thrown) {
      if (thrown instanceof AlreadyFired) await schedules.move(schedule, move);
      else if (isForGood(thrown)) await this.#refuse(schedule, toCogmeshError(thrown), move);
      else throw thrown;
    }
  }

  /** No run for this time: its creator may not any more, or the document does not hold any more. */
  async #refuse(schedule: ScheduleRow, error: CogmeshError, move: Move): Promise<void> {
    this.#options.logger.warn({ scheduleId: schedule.id, code: error.code }, `schedule ${schedule.name} made no run`);
    await this.#options.schedules.move(schedule, { ...move, lastError: failure(error.code, error.message) });
  }

  /** The same step again later, by its own clock; what it was about has not been touched. */
  async #putOff(schedule: ScheduleRow, error: CogmeshError, now: number): Promise<void> {
    const { schedules, logger } = this.#options;
    logger.warn({ scheduleId: schedule.id, code: error.code, err: error }, `schedule ${schedule.name} has to wait`);
    const { nextAt, waitingAt } = schedule;
    const lastError = failure(error.code, error.message, error.retryable);
    await schedules.move(schedule, { nextAt, waitingAt, dueAt: now + retryMs, lastError });
  }
}

/** The time has a run already, made by a backfill. */
class AlreadyFired extends CogmeshError {
  constructor() {
    super('already_exists', 'the schedule has fired for this time');
  }
}

/** Errors of the database, of policy that cannot be asked and of full quotas pass; others do not by waiting. */
function isForGood(thrown: unknown): boolean {
  return (
    thrown instanceof CogmeshError && !thrown.retryable && thrown.code !== 'internal' && thrown.code !== 'conflict'
  );
}

function dueOf({ nextAt, waitingAt }: Step, now: number): number | null {
  if (waitingAt === null) return nextAt;
  return Math.min(nextAt ?? Infinity, now + waitingMs);
}

function failureOfDropped({ lastRunId }: ScheduleRow, dropped: 'misfire' | 'overlap'): string {
  return dropped === 'overlap'
    ? failure('overlap', `the run before it, ${lastRunId ?? ''}, was unfinished`)
    : failure('misfire', 'the time passed while no scheduler was there');
}

const failure = (code: string, message: string, retryable = false): string =>
  JSON.stringify({ code, message, retryable });
