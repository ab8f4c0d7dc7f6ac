/**
 * What a schedule does next, one step at a time: fire once, or move on without. Pure, so that the same state and clock give
 * the same step on every replica, and a step that was stored is never taken again.
 */
import type { CronTimes } from './cron-times.js';

/** What happens to times that passed while nobody was there. `all` fires the newest `maxMisfires` of them. */
export type Misfire = 'skip' | 'once' | 'all';
/** What happens to a time that comes while the run before it is unfinished. `queue` lets one wait. */
export type Overlap = 'skip' | 'allow' | 'queue' | 'cancel';

/** With `skip`, a time this late is one that passed, milliseconds. */
export const defaultMisfireGraceMs = 60_000;

/** Instants are milliseconds since the epoch. */
export interface ScheduleState {
  readonly misfire: Misfire;
  readonly maxMisfires: number;
  readonly overlap: Overlap;
  /** The first time that was not looked at yet; null when there is none any more. */
  readonly nextAt: number | null;
  /** A time that waits for the run before it to end. */
  readonly waitingAt: number | null;
}

export interface StepContext {
  readonly times: CronTimes;
  readonly now: number;
  readonly lastIsUnfinished: boolean;
  readonly graceMs: number;
}

export interface Step {
  /** The time a run is made for. */
  readonly fire?: number;
  /** The run before it is to be cancelled first. */
  readonly cancelLast?: boolean;
  readonly nextAt: number | null;
  readonly waitingAt: number | null;
  /** Why times were passed over; absent when none was. */
  readonly dropped?: 'misfire' | 'overlap';
}

export function nextStep(state: ScheduleState, context: StepContext): Step {
  const { waitingAt, overlap } = state;
  const { times, now, lastIsUnfinished } = context;
  if (waitingAt !== null && !lastIsUnfinished) return { fire: waitingAt, nextAt: state.nextAt, waitingAt: null };
  const chosen = chosenTimes(state, context);
  const after = times.nextAfter(now) ?? null;
  const [first, second] = chosen;
  const last = chosen.at(-1);
  if (first === undefined || last === undefined) return { nextAt: after, waitingAt, ...dropped(state, now, 'misfire') };
  if (!lastIsUnfinished || overlap === 'allow') return { fire: first, nextAt: second ?? after, waitingAt };
  return { nextAt: after, ...beside(state, last) };
}

/** What becomes of a time that has come while the run before it is unfinished. */
function beside({ overlap, waitingAt }: ScheduleState, time: number): Omit<Step, 'nextAt'> {
  if (overlap === 'cancel') return { fire: time, cancelLast: true, waitingAt };
  if (overlap === 'queue' && waitingAt === null) return { waitingAt: time };
  return { waitingAt, dropped: 'overlap' };
}

/** Of the times that have come, those the misfire policy keeps; oldest first. */
function chosenTimes({ nextAt, misfire, maxMisfires }: ScheduleState, context: StepContext): number[] {
  const { times, now, graceMs } = context;
  if (nextAt === null || nextAt > now) return [];
  const newest = times.lastUpTo(now, { from: nextAt, count: misfire === 'all' ? maxMisfires : 1 });
  return misfire === 'skip' ? newest.filter((time) => now - time <= graceMs) : newest;
}

const dropped = ({ nextAt }: ScheduleState, now: number, why: 'misfire'): Pick<Step, 'dropped'> =>
  nextAt !== null && nextAt <= now ? { dropped: why } : {};
