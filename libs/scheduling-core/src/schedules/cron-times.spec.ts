import { CogmeshError } from '@cogmesh/errors';
import { describe, expect, it } from 'vitest';
import { cronTimes } from './cron-times.js';

const at = (iso: string): number => Date.parse(`${iso}:00Z`);
const shown = (times: readonly number[]): string[] => times.map((time) => new Date(time).toISOString().slice(0, 16));

function day(cron: string, zone: string, [from, to]: readonly [string, string]): string[] {
  return shown(cronTimes(cron, zone).between(at(from), at(to), 200));
}

const amsterdam = 'Europe/Amsterdam';
/** 02:00-03:00 does not exist: 01:00Z follows 00:59Z as 03:00. */
const amsterdamGap = ['2026-03-28T23:00', '2026-03-29T22:00'] as const;
/** 02:00-03:00 exists twice: from 00:00Z and from 01:00Z. */
const amsterdamTwice = ['2026-10-24T22:00', '2026-10-25T23:00'] as const;
/** 02:00-03:00 does not exist: 07:00Z is 03:00. */
const newYorkGap = ['2026-03-08T05:00', '2026-03-09T04:00'] as const;
/** 01:00-02:00 exists twice: from 05:00Z and from 06:00Z. */
const newYorkTwice = ['2026-11-01T04:00', '2026-11-02T05:00'] as const;

describe('times across DST', () => {
  it.each([
    ['30 2 * * *', amsterdam, amsterdamGap, ['2026-03-29T01:00']],
    ['30 2 29 3 *', amsterdam, amsterdamGap, ['2026-03-29T01:00']],
    ['30 2,14 * * *', amsterdam, amsterdamGap, ['2026-03-29T01:00', '2026-03-29T12:30']],
    // 02:00 has no instant and 03:00 is the first after the gap: one firing for both.
    ['0 1-3 * * *', amsterdam, amsterdamGap, ['2026-03-29T00:00', '2026-03-29T01:00']],
    ['30 2 * * *', 'America/New_York', newYorkGap, ['2026-03-08T07:00']],
    ['30 2 * * *', amsterdam, amsterdamTwice, ['2026-10-25T00:30']],
    ['30 2,14 * * *', amsterdam, amsterdamTwice, ['2026-10-25T00:30', '2026-10-25T13:30']],
    ['0 1-3 * * *', amsterdam, amsterdamTwice, ['2026-10-24T23:00', '2026-10-25T00:00', '2026-10-25T02:00']],
    ['30 1 * * *', 'America/New_York', newYorkTwice, ['2026-11-01T05:30']],
    ['30 2 * * *', 'Asia/Kolkata', amsterdamGap, ['2026-03-29T21:00']],
    ['30 2 * * *', 'UTC', amsterdamTwice, ['2026-10-25T02:30']],
  ] as const)(
    '%s in %s names its times: a missing one fires after the gap, a double one first',
    (cron, zone, range, want) => {
      expect(day(cron, zone, range)).toEqual(want);
    },
  );

  it.each([
    ['0 * * * *', amsterdam, amsterdamGap, 23],
    ['0 * * * *', amsterdam, amsterdamTwice, 25],
    ['0 * * * *', 'America/New_York', newYorkGap, 23],
    ['0 * * * *', 'America/New_York', newYorkTwice, 25],
    ['0 * * * *', 'Asia/Kolkata', amsterdamGap, 23],
    ['*/15 * * * *', amsterdam, amsterdamGap, 92],
    ['*/15 * * * *', amsterdam, amsterdamTwice, 100],
  ] as const)('%s in %s goes by elapsed time', (cron, zone, range, count) => {
    const times = cronTimes(cron, zone).between(at(range[0]), at(range[1]), 200);
    expect(times).toHaveLength(count);
    const steps = new Set(times.slice(1).map((time, index) => time - (times[index] ?? 0)));
    expect([...steps]).toEqual([cron === '0 * * * *' ? 3_600_000 : 900_000]);
  });

  it('leaves out what falls into a gap, and repeats what is repeated, where a field has a star or a step', () => {
    expect(day('*/30 2 * * *', amsterdam, amsterdamGap)).toEqual([]);
    expect(day('*/30 2 * * *', amsterdam, amsterdamTwice)).toEqual([
      '2026-10-25T00:00',
      '2026-10-25T00:30',
      '2026-10-25T01:00',
      '2026-10-25T01:30',
    ]);
  });

  it.each(['30 2 * * *', '30 2,14 * * *', '0 1-3 * * *', '*/15 * * * *', '*/30 2 * * *'])(
    'reads %s backwards as forwards',
    (cron) => {
      for (const [from, to] of [amsterdamGap, amsterdamTwice]) {
        const times = cronTimes(cron, amsterdam);
        const forwards = times.between(at(from), at(to), 200);
        expect(times.lastUpTo(at(to) - 1, { from: at(from), count: 200 })).toEqual(forwards);
      }
    },
  );
});

describe('times', () => {
  it('are after an instant, and up to and including one', () => {
    const times = cronTimes('0 12 * * *', '');
    expect(times.nextAfter(at('2026-05-01T12:00'))).toBe(at('2026-05-02T12:00'));
    expect(times.nextAfter(at('2026-05-01T12:00') - 1)).toBe(at('2026-05-01T12:00'));
    const range = { from: at('2026-04-30T00:00'), count: 3 };
    expect(shown(times.lastUpTo(at('2026-05-02T12:00'), range))).toEqual([
      '2026-04-30T12:00',
      '2026-05-01T12:00',
      '2026-05-02T12:00',
    ]);
    expect(shown(times.lastUpTo(at('2026-05-02T12:00') - 1, { ...range, count: 1 }))).toEqual(['2026-05-01T12:00']);
    expect(times.between(at('2026-05-01T12:00'), at('2026-05-03T12:00'), 9)).toHaveLength(2);
    expect(times.between(at('2026-05-01T12:00'), at('2026-05-09T12:00'), 3)).toHaveLength(3);
  });

  it('end where the calendar has none', () => {
    expect(cronTimes('0 0 30 2 *', 'UTC').nextAfter(at('2026-01-01T00:00'))).toBeUndefined();
  });

  it.each([
    ['61 * * * *', 'UTC', /cron "61 .*minute: 61/],
    ['* * *', 'UTC', /cron "\* \* \*": invalid configuration format/],
    ['* * * * * * 2030', 'UTC', /5 or 6 parts/],
    ['2026-01-01', 'UTC', /cron/],
    ['* * * * *', 'Mars/Olympus', /"Mars\/Olympus" is not an IANA time zone/],
    ['* * * * *', '+02:00', /"\+02:00" is not an IANA time zone/],
    ['*'.repeat(300), 'UTC', /at most 255/],
  ])('refuse %s in %s with what is wrong', (cron, zone, message) => {
    const attempt = (): unknown => cronTimes(cron, zone);
    expect(attempt).toThrow(CogmeshError);
    expect(attempt).toThrow(message);
  });
});
