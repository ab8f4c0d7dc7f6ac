import { stripVTControlCharacters } from 'node:util';
import type { ScheduleView, WebhookView } from '@cogmesh/sdk';
import { expect, it } from 'vitest';
import { limitsTable } from '../commands/limits.js';
import { schedulesTable } from '../commands/schedules.js';
import { webhooksTable } from '../commands/webhooks.js';
import { waitingTable } from '../commands/why.js';
import { labelsOf, numberOf, timeOf } from '../numbers.js';

const lines = (text: string) => stripVTControlCharacters(text).split('\n').slice(1);

it('says why tasks wait, and of what does not that it does not', () => {
  const waiting = { code: 'busy', message: 'all agents are busy' };
  expect(
    lines(
      waitingTable([
        { task: 'read', waiting, position: 3, estimateMs: 1_540 },
        { task: 'done', waiting: null, position: 0, estimateMs: 0 },
      ]),
    ),
  ).toEqual([
    expect.stringMatching(/^read +busy +3 +1\.5 s +all agents are busy$/),
    expect.stringMatching(/^done +it does not wait$/),
  ]);
});

it('shows use beside the limit, and a dash where there is none', () => {
  const limits = { maxInFlight: 4, ratePerSecond: 2.5, burst: 5, maxQueued: 0, weight: 0, serviceClass: 0, parts: 0 };
  const usage = { inFlight: 3, queued: 12 };
  const shown = limitsTable([{ kind: 'group', name: 'gpu', organisation: 'acme', limits, paused: true, usage }]);
  expect(lines(shown)[0]).toMatch(/^group +gpu +3 of 4 +12 of – +2\.5\/s, 5 at once +1 +0 +paused$/);
});

it('shows when a schedule fires next, and why it did not', () => {
  const schedule = { name: 'n', cron: '0 6 * * *', timeZone: '', paused: false, nextAt: null, lastRun: null };
  const shown = schedulesTable([
    { ...schedule, lastError: { code: 'x', message: 'denied' } } as unknown as ScheduleView,
  ]);
  expect(lines(shown)[0]).toMatch(/^n +0 6 \* \* \* +UTC +never +denied$/);
});

it('shows what a webhook is told', () => {
  const webhook = { id: 'w', url: 'https://a', states: [], labels: { a: 'b' }, paused: false };
  expect(lines(webhooksTable([webhook as unknown as WebhookView]))[0]).toMatch(/^w +https:\/\/a +every end +a=b$/);
});

it('reads numbers, times and labels, and says what is wrong with others', () => {
  expect([numberOf('2.5', 'x'), timeOf('2026-01-01T00:00:00Z', 'x').getTime(), labelsOf(['a=b=c'])]).toEqual([
    2.5,
    Date.UTC(2026, 0, 1),
    { a: 'b=c' },
  ]);
  expect(() => numberOf('', 'the priority')).toThrow('the priority is a number');
  expect(() => timeOf('soon', '--from')).toThrow('--from is a time');
  expect(() => labelsOf(['=x'])).toThrow('key=value');
});
