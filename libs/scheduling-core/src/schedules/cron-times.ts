/**
 * The times of a cron line in an IANA zone, by croner. DST rule: when seconds, minutes and hours are all named (values,
 * lists, ranges), a time that does not exist fires at the first instant after the gap, and one that exists twice fires
 * once, the first time. With a star or a step in one of them the line means elapsed time: what falls into a gap has no
 * instant of its own and is left out, what is repeated fires both times.
 */
import { CogmeshError } from '@cogmesh/errors';
import { Cron } from 'croner';

const maxCronLength = 255;
const maxZoneLength = 64;

/** Instants are milliseconds since the epoch. */
export interface CronTimes {
  /** The first one after `instant`; undefined when there is none any more. */
  nextAfter(instant: number): number | undefined;
  /** The newest up to and including `instant`, not before `from`, at most `count`; oldest first. */
  lastUpTo(instant: number, range: { readonly from: number; readonly count: number }): number[];
  /** From `from` on, before `to`, at most `limit`; oldest first. */
  between(from: number, to: number, limit: number): number[];
}

/** Throws `invalid_argument` that says what is wrong; `now` decides whether the line ever fires again. */
export function cronTimes(cron: string, timeZone: string): CronTimes {
  const zone = timeZone === '' ? 'UTC' : timeZone;
  assertZone(zone);
  const job = parsed(cron, zone);
  const nextAfter = (instant: number): number | undefined => job.nextRun(new Date(instant))?.getTime();
  return {
    nextAfter,
    lastUpTo: (instant, { from, count }) =>
      job
        .previousRuns(count, new Date(instant + 1))
        .map((date) => date.getTime())
        .filter((time) => time >= from)
        .reverse(),
    between: (from, to, limit) => {
      const times: number[] = [];
      let at = nextAfter(from - 1);
      while (at !== undefined && at < to && times.length < limit) {
        times.push(at);
        at = nextAfter(at);
      }
      return times;
    },
  };
}

function parsed(cron: string, timezone: string): Cron {
  if (cron.length > maxCronLength) throw invalid(`a cron line has at most ${maxCronLength} characters`);
  try {
    return new Cron(cron, { timezone, mode: '5-or-6-parts', fixedTimeRule: 'no-wildcard', paused: true });
  } catch (error) {
    throw invalid(`cron "${cron}": ${(error as Error).message.replace(/^[A-Za-z]+: /, '')}`);
  }
}

/** Offsets like +02:00 are zones to Intl, but not to IANA: they know no DST. */
function assertZone(zone: string): void {
  try {
    if (zone.length > maxZoneLength || !/^[A-Za-z]/.test(zone)) throw new RangeError();
    new Intl.DateTimeFormat('en', { timeZone: zone });
  } catch {
    throw invalid(`"${zone}" is not an IANA time zone, such as Europe/Amsterdam`);
  }
}

const invalid = (message: string): CogmeshError => new CogmeshError('invalid_argument', message);
