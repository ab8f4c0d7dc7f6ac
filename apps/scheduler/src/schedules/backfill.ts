/**
 * Fires a schedule for each time of a past range, in order. Times that have their run already, by the clock or by an
 * earlier backfill, make no second one, so a backfill that broke off is simply asked for again.
 */
import { CogmeshError } from '@cogmesh/errors';
import { cronTimes, type NeededAccess } from '@cogmesh/scheduling-core';
import type { ScheduleRow } from '../model/schedule.js';
import { creatorOf, fire, type FiringContext, Superseded } from './fire.js';

const defaultLimit = 100;
const maxLimit = 1_000;

/** Milliseconds since the epoch; `to` is not part of it. */
export interface BackfillRange {
  readonly from: number;
  readonly to: number;
  /** 0 means 100. */
  readonly limit: number;
}

/** Answers the runs it made. Throws `invalid_argument` for a range that is too long or not past. */
export async function backfill(context: FiringContext, schedule: ScheduleRow, range: BackfillRange): Promise<string[]> {
  const { schedules } = context;
  const times = await timesOf(context, schedule, range);
  const fired = await schedules.firedBetween(schedule.id, range.from, range.to);
  const requireAccess = askedOnce(context, schedule);
  const runIds: string[] = [];
  for (const timeMs of times) {
    if (fired.has(timeMs)) continue;
    const made = await fire(context, {
      schedule,
      timeMs,
      requireAccess,
      before: async (tx, runId) => {
        if (!(await schedules.claimTime(tx, schedule.id, timeMs, runId))) throw new Superseded();
      },
    }).catch((error: unknown) => {
      if (error instanceof Superseded) return undefined;
      throw error;
    });
    if (made !== undefined) runIds.push(made);
  }
  return runIds;
}

async function timesOf({ schedules }: FiringContext, schedule: ScheduleRow, range: BackfillRange): Promise<number[]> {
  const { from, to, limit } = range;
  if (limit < 0 || limit > maxLimit) throw new CogmeshError('invalid_argument', `limit is 1 to ${maxLimit}`);
  if (from >= to) throw new CogmeshError('invalid_argument', 'the range ends before it begins');
  if (to > (await schedules.now())) throw new CogmeshError('invalid_argument', 'the range ends in the future');
  const most = limit === 0 ? defaultLimit : limit;
  const times = cronTimes(schedule.cron, schedule.timeZone).between(from, to, most + 1);
  if (times.length <= most) return times;
  throw new CogmeshError(
    'invalid_argument',
    `the range holds more than ${most} times; take a shorter one or a higher limit`,
  );
}

/** Rights do not depend on the time as a rule, so that each is decided once per backfill. */
function askedOnce({ decisions }: FiringContext, schedule: ScheduleRow) {
  const held = new Set<string>();
  return async (needed: readonly NeededAccess[]): Promise<void> => {
    const open = needed.filter(({ action, resource }) => !held.has(`${action} ${resource}`));
    if (open.length > 0) await decisions.require(creatorOf(schedule), open);
    for (const { action, resource } of open) held.add(`${action} ${resource}`);
  };
}
