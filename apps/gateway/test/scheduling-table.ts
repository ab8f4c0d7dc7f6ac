/** Cases of the calls that steer the scheduler; in order, since a schedule is there once it was put. */
import { expect } from 'vitest';
import type { FaceCase } from './face-table.js';

const noSuch = 'webhook_x';
const nightly = {
  cron: '0 6 * * *',
  document: { tasks: [{ id: 't', uses: 'model:reader' }] },
  misfire: 'all',
  overlap: 'queue',
} as const;
const nestedSecret = {
  ...nightly,
  document: {
    tasks: [
      { id: 't', uses: 'run', document: { tasks: [{ id: 'x', uses: 'run', input: { document: { tasks: [
        { id: 'y', uses: 'model:acme/secret-plans' },
      ] } } }] } },
    ],
  },
}; // prettier-ignore

const runCases: readonly FaceCase[] = [
  {
    name: 'steer: retry from the failed tasks',
    call: (face, { overRun }) => face.retryRun(overRun, { fromFailed: true }),
    want: { organisation: 'globex', labels: { fromFailed: 'true', input: '' } },
  },
  {
    name: 'steer: repeat with another input',
    call: (face, { overRun }) => face.retryRun(overRun, { fromFailed: false, input: { a: 1 } }),
    want: { labels: { fromFailed: 'false', input: '{"a":1}' } },
  },
  {
    name: 'steer: retry the failed tasks with another input',
    call: (face, { overRun }) => face.retryRun(overRun, { fromFailed: true, input: {} }),
    code: 'invalid_argument',
  },
  {
    name: 'steer: retry with another organisation’s blob',
    call: (face, { overRun, acmeBlob }) =>
      face.retryRun(overRun, { fromFailed: false, input: { image: { $blob: acmeBlob } } }),
    code: 'not_found',
  },
  {
    name: 'steer: retry what needs a right the document alone shows',
    call: (face, { nestedRun }) => face.retryRun(nestedRun, { fromFailed: true }),
    want: { organisation: 'globex' },
  },
  {
    name: 'steer: retry what hides a denied model',
    call: (face, { secretRun }) => face.retryRun(secretRun, { fromFailed: true }),
    code: 'permission_denied',
  },
  {
    name: 'steer: retry another organisation’s run',
    call: (face, { acmeRun }) => face.retryRun(acmeRun, { fromFailed: true }),
    code: 'not_found',
  },
  {
    name: 'steer: retry without the role',
    as: 'guest',
    call: (face, { overRun }) => face.retryRun(overRun, { fromFailed: true }),
    code: 'permission_denied',
  },
  { name: 'steer: pause', call: (face, { run }) => face.pauseRun(run, 'lunch'), want: { paused: true } },
  { name: 'steer: resume', call: (face, { run }) => face.resumeRun(run), want: { paused: false } },
  {
    name: 'steer: pause with a novel',
    call: (face, { run }) => face.pauseRun(run, 'x'.repeat(501)),
    code: 'invalid_argument',
  },
  { name: 'steer: pause what cannot be a run', call: (face) => face.pauseRun('x', ''), code: 'not_found' },
  {
    name: 'steer: pause without the role',
    as: 'guest',
    call: (face, { run }) => face.pauseRun(run, ''),
    code: 'permission_denied',
  },
  { name: 'steer: priority', call: (face, { run }) => face.setPriority(run, 9), want: { priority: 9 } },
  { name: 'steer: priority of ten', call: (face, { run }) => face.setPriority(run, 10), code: 'invalid_argument' },
  {
    name: 'steer: approve',
    call: (face, { run }) => face.signalTask(run, 'detect', { approved: true, comment: 'fine' }),
    want: { missing: 1 },
  },
  {
    name: 'steer: approve one item',
    call: (face, { run }) => face.signalTask(run, 'detect', { approved: true, comment: '', index: 5 }),
    want: { missing: 5 },
  },
  {
    name: 'steer: approve an item before the first',
    call: (face, { run }) => face.signalTask(run, 'detect', { approved: true, comment: '', index: -1 }),
    code: 'invalid_argument',
  },
  {
    name: 'steer: approve a task that is not there',
    call: (face, { run }) => face.signalTask(run, 'other', { approved: true, comment: '' }),
    code: 'not_found',
  },
  {
    name: 'steer: refuse with a novel',
    call: (face, { run }) => face.signalTask(run, 'detect', { approved: false, comment: 'x'.repeat(2_001) }),
    code: 'invalid_argument',
  },
  {
    name: 'why a task waits',
    call: (face, { run }) => face.explainWaiting(run, 'detect', 4),
    want: {
      waiting: { code: 'busy', message: 'detect item 4 waits for its turn' },
      position: 3,
      estimateMs: 1_500,
    },
  },
  {
    name: 'why item -1 waits',
    call: (face, { run }) => face.explainWaiting(run, 'detect', -1),
    code: 'invalid_argument',
  },
];

const limitCases: readonly FaceCase[] = [
  {
    name: 'steer: limit a group',
    call: (face) => face.putScope('group', 'gpu/a', 4),
    want: { kind: 'group', name: 'gpu/a', organisation: 'globex', limits: { maxInFlight: 4, weight: 0 } },
  },
  { name: 'limits', call: (face) => face.listScopes(), want: [{ name: 'gpu/a', usage: { inFlight: 1, queued: 7 } }] },
  {
    name: 'steer: limit a capability as nobody special',
    call: (face) => face.putScope('capability', 'model:acme/reader', 1),
    code: 'permission_denied',
  },
  { name: 'limits without the role', as: 'guest', call: (face) => face.listScopes(), code: 'permission_denied' },
  { name: 'dead letters', call: (face) => face.listDeadLetters(), want: [{ id: 'dead_1', body: 'eA==' }] },
  { name: 'steer: replay', call: (face) => face.replayDeadLetter('dead_1'), want: {} },
  { name: 'steer: replay nothing', call: (face) => face.replayDeadLetter('dead_2'), code: 'not_found' },
];

const scheduleCases: readonly FaceCase[] = [
  {
    name: 'steer: put a schedule',
    call: (face) => face.putSchedule('nightly', nightly),
    want: { name: 'nightly', createdBy: 'member', misfire: 'all', overlap: 'queue', document: nightly.document },
  },
  {
    name: 'steer: a schedule that hides a denied model',
    call: (face) => face.putSchedule('leak', nestedSecret),
    code: 'permission_denied',
  },
  {
    name: 'steer: a schedule with another organisation’s blob',
    call: (face, { acmeBlob }) =>
      face.putSchedule('leak', { ...nightly, document: { ...nightly.document, input: { $blob: acmeBlob } } }),
    code: 'not_found',
  },
  {
    name: 'a schedule',
    call: (face) => face.getSchedule('nightly'),
    want: { id: 'schedule_1', upcoming: [expect.stringMatching(/^2026-/)] },
  },
  { name: 'schedules', call: (face) => face.listSchedules(), want: [{ name: 'nightly' }] },
  { name: 'schedules without the role', as: 'guest', call: (face) => face.listSchedules(), code: 'permission_denied' },
  { name: 'a schedule of others', as: 'acme', call: (face) => face.getSchedule('nightly'), code: 'not_found' },
  {
    name: 'steer: trigger',
    call: (face) => face.triggerSchedule('nightly'),
    want: { run: expect.stringMatching(/^run_/) },
  },
  {
    name: 'steer: backfill',
    call: (face) => face.backfillSchedule('nightly', '2026-01-01T00:00:00Z', '2026-01-01T03:00:00Z'),
    want: { made: 3 },
  },
  {
    name: 'steer: backfill too much',
    call: (face) => face.backfillSchedule('nightly', '2026-01-01T00:00:00Z', '2026-02-01T00:00:00Z'),
    code: 'invalid_argument',
  },
  {
    name: 'steer: backfill backwards',
    call: (face) => face.backfillSchedule('nightly', '2026-01-02T00:00:00Z', '2026-01-01T00:00:00Z'),
    code: 'invalid_argument',
  },
  { name: 'steer: delete no schedule', call: (face) => face.deleteSchedule('x'), code: 'not_found' },
];

const listCases: readonly FaceCase[] = [
  {
    name: 'runs of a schedule',
    call: async (face) => (await face.findRuns({ schedule: 'schedule_1' }) as unknown[]).slice(0, 1),
    want: [{ schedule: 'schedule_1' }],
  },
  { name: 'runs with labels', call: (face) => face.findRuns({ labels: { team: 'a', 'x.y': 'b=c' } }), want: [{ name: 'labelled' }] },
  { name: 'runs of a time', call: (face) => face.findRuns({ after: '2027-01-01T00:00:00Z', before: '2030-01-01T00:00:00Z' }), want: [] },
  {
    name: 'runs with nine labels',
    call: (face) => face.findRuns({ labels: Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`l${i}`, 'x'])) }),
    code: 'invalid_argument',
  },
]; // prettier-ignore

const webhookCases: readonly FaceCase[] = [
  {
    name: 'steer: make a webhook',
    call: (face) => face.putWebhook('', 'https://hooks.example/x'),
    want: { id: 'webhook_1', url: 'https://hooks.example/x', states: [] },
  },
  {
    name: 'steer: replace a webhook',
    call: (face) => face.putWebhook('webhook_1', 'https://hooks.example/y'),
    want: { url: 'https://hooks.example/y' },
  },
  { name: 'steer: replace none', call: (face) => face.putWebhook(noSuch, 'https://a.example'), code: 'not_found' },
  { name: 'webhooks', call: (face) => face.listWebhooks(), want: [{ id: 'webhook_1', organisation: 'globex' }] },
  { name: 'webhooks without the role', as: 'guest', call: (face) => face.listWebhooks(), code: 'permission_denied' },
  { name: 'deliveries', call: (face) => face.listDeliveries('webhook_1'), want: [{ run: 'run_1', status: 503 }] },
  { name: 'deliveries of none', call: (face) => face.listDeliveries(noSuch), code: 'not_found' },
  { name: 'steer: delete no webhook', call: (face) => face.deleteWebhook(noSuch), code: 'not_found' },
];

export const schedulingCases: readonly FaceCase[] = [
  ...runCases,
  ...limitCases,
  ...scheduleCases,
  ...listCases,
  ...webhookCases,
];
