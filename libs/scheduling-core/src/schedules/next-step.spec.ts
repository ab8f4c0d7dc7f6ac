import { describe, expect, it } from 'vitest';
import { cronTimes } from './cron-times.js';
import { nextStep, type ScheduleState, type Step } from './next-step.js';

const minute = 60_000;
/** Every minute; minute 0 is a round one. */
const times = cronTimes('* * * * *', 'UTC');
const t = (minutes: number): number => Date.parse('2026-05-01T00:00:00Z') + minutes * minute;

const fresh: ScheduleState = { misfire: 'once', maxMisfires: 10, overlap: 'skip', nextAt: t(0), waitingAt: null };

/** Takes steps until nothing is due; `runs` says whether the run before is unfinished. */
function walk(state: ScheduleState, now: number, runs: (fired: number) => boolean = () => false) {
  const steps: Step[] = [];
  let current = state;
  while (due(current, now, runs(fired(steps).length)) && steps.length < 100) {
    const lastIsUnfinished = runs(fired(steps).length);
    const step = nextStep(current, { times, now, lastIsUnfinished, graceMs: minute });
    steps.push(step);
    current = { ...current, nextAt: step.nextAt, waitingAt: step.waitingAt };
  }
  return { steps, fired: fired(steps), current };
}
const fired = (steps: readonly Step[]): number[] => steps.flatMap(({ fire }) => fire ?? []);
const due = ({ nextAt, waitingAt }: ScheduleState, now: number, unfinished: boolean): boolean =>
  (nextAt !== null && nextAt <= now) || (waitingAt !== null && !unfinished);

describe('on time', () => {
  it.each(['skip', 'once', 'all'] as const)('%s fires the time that came and moves to the next', (misfire) => {
    expect(
      nextStep({ ...fresh, misfire }, { times, now: t(0) + 200, lastIsUnfinished: false, graceMs: minute }),
    ).toEqual({
      fire: t(0),
      nextAt: t(1),
      waitingAt: null,
    });
  });

  it('does nothing before', () => {
    const step = nextStep(fresh, { times, now: t(0) - 1, lastIsUnfinished: false, graceMs: minute });
    expect(step).toEqual({ nextAt: t(0), waitingAt: null });
  });

  it('ends when there is no time any more', () => {
    const leap = cronTimes('0 0 30 2 *', 'UTC');
    const step = nextStep(fresh, { times: leap, now: t(0), lastIsUnfinished: false, graceMs: minute });
    expect(step).toEqual({ nextAt: null, waitingAt: null, dropped: 'misfire' });
  });
});

describe('after an absence of ten minutes', () => {
  const now = t(10) + 5_000;
  it('skip drops what passed; the newest is not late yet', () => {
    expect(walk({ ...fresh, misfire: 'skip' }, now).fired).toEqual([t(10)]);
    const late = walk({ ...fresh, misfire: 'skip' }, t(11) - 1);
    expect(late.fired).toEqual([t(10)]);
  });

  it('skip fires nothing when even the newest is older than the grace', () => {
    const daily = cronTimes('0 0 * * *', 'UTC');
    const context = { times: daily, now: t(0) + minute + 1, lastIsUnfinished: false, graceMs: minute };
    expect(nextStep({ ...fresh, misfire: 'skip' }, context)).toEqual({
      nextAt: t(24 * 60),
      waitingAt: null,
      dropped: 'misfire',
    });
  });

  it('once fires one run, for the newest', () => {
    expect(walk(fresh, now).fired).toEqual([t(10)]);
  });

  it('all fires each, in order', () => {
    const { fired: all, current } = walk({ ...fresh, misfire: 'all', maxMisfires: 100, overlap: 'allow' }, now);
    expect(all).toEqual(Array.from({ length: 11 }, (_, index) => t(index)));
    expect(current.nextAt).toBe(t(11));
  });

  it('all fires at most the newest max', () => {
    const { fired: newest } = walk({ ...fresh, misfire: 'all', maxMisfires: 3, overlap: 'allow' }, now);
    expect(newest).toEqual([t(8), t(9), t(10)]);
  });
});

describe('while the run before is unfinished', () => {
  const context = { times, now: t(2) + 5_000, lastIsUnfinished: true, graceMs: minute };

  it('skip drops the time', () => {
    expect(nextStep(fresh, context)).toEqual({ nextAt: t(3), waitingAt: null, dropped: 'overlap' });
  });

  it('allow fires it', () => {
    expect(nextStep({ ...fresh, overlap: 'allow' }, context)).toMatchObject({ fire: t(2), nextAt: t(3) });
  });

  it('cancel fires it and ends the one before', () => {
    expect(nextStep({ ...fresh, overlap: 'cancel', misfire: 'all' }, context)).toEqual({
      fire: t(2),
      cancelLast: true,
      nextAt: t(3),
      waitingAt: null,
    });
  });

  it('queue lets one wait, drops the others, and fires it when the run before ends', () => {
    const state: ScheduleState = { ...fresh, overlap: 'queue' };
    const waits = nextStep(state, context);
    expect(waits).toEqual({ nextAt: t(3), waitingAt: t(2) });
    const waiting = { ...state, ...waits };
    const later = nextStep(waiting, { ...context, now: t(5) });
    expect(later).toEqual({ nextAt: t(6), waitingAt: t(2), dropped: 'overlap' });
    const ended = nextStep({ ...waiting, ...later }, { ...context, now: t(5) + 1, lastIsUnfinished: false });
    expect(ended).toEqual({ fire: t(2), nextAt: t(6), waitingAt: null });
  });

  it('all with skip starts only the first of those that passed', () => {
    const { fired: all } = walk({ ...fresh, misfire: 'all' }, t(4), (count) => count > 0);
    expect(all).toEqual([t(0)]);
  });
});
