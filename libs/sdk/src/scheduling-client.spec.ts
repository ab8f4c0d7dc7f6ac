import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { breakConnection, ContractServer, json, problem } from '../test/contract-server.js';
import { CogmeshClient } from './cogmesh-client.js';
import type { SchedulingClient } from './scheduling-client.js';

const noContent = (response: { writeHead(status: number): { end(): void } }) => response.writeHead(204).end();

let server: ContractServer;
let client: CogmeshClient;
let scheduling: SchedulingClient;

beforeEach(async () => {
  server = await ContractServer.start();
  client = new CogmeshClient({ baseUrl: server.url, token: 'tok', retryDelayMs: 1 });
  ({ scheduling } = client);
});

afterEach(() => server.stop());

const range = { from: new Date(0), to: new Date(3_600_000), limit: 5 };
const document = { tasks: [{ id: 'a', uses: 'script' }] };

describe('each call is one request', () => {
  it.each<[string, (made: SchedulingClient) => Promise<unknown>, string, unknown]>([
    ['retry', (made) => made.retryRun('r/1'), 'POST /v1/runs/r%2F1/retry', { fromFailed: true }],
    [
      'repeat',
      (made) => made.retryRun('r', { fromFailed: false, input: null }),
      'POST /v1/runs/r/retry',
      { fromFailed: false, input: null },
    ],
    ['pause', (made) => made.pauseRun('r', { reason: 'x' }), 'POST /v1/runs/r/pause', { reason: 'x' }],
    ['resume', (made) => made.resumeRun('r'), 'POST /v1/runs/r/resume', undefined],
    ['priority', (made) => made.setPriority('r', 7), 'PUT /v1/runs/r/priority', { priority: 7, task: '' }],
    [
      'signal',
      (made) => made.signalTask('r', 't', { approved: false, index: 3 }),
      'POST /v1/runs/r/tasks/t/signal',
      { approved: false, index: 3 },
    ],
    ['why', (made) => made.explainWaiting('r', 't', { index: 2 }), 'GET /v1/runs/r/tasks/t/waiting?index=2', undefined],
    [
      'limits',
      (made) => made.setLimits('capability', 'model:acme/x', { limits: { maxInFlight: 1 } }),
      'PUT /v1/limits/capability/model%3Aacme%2Fx',
      { limits: { maxInFlight: 1 } },
    ],
    [
      'schedule',
      (made) => made.putSchedule('n', { cron: '* * * * *', document }),
      'PUT /v1/schedules/n',
      { cron: '* * * * *', document },
    ],
    [
      'backfill',
      (made) => made.backfillSchedule('n', range),
      'POST /v1/schedules/n/backfill',
      { from: '1970-01-01T00:00:00.000Z', to: '1970-01-01T01:00:00.000Z', limit: 5 },
    ],
    [
      'webhook',
      (made) => made.makeWebhook({ url: 'https://a.example' }),
      'POST /v1/webhooks',
      { url: 'https://a.example' },
    ],
  ])('%s', async (_, call, line, body) => {
    server.answer(json({ answer: 1 }));
    expect(await call(scheduling)).toEqual({ answer: 1 });
    const [asked] = server.asked;
    expect(`${asked?.method} ${asked?.url}`).toBe(line);
    const text = asked?.body.toString() ?? '';
    expect(text === '' ? undefined : JSON.parse(text)).toEqual(body);
  });
});

it('reads every page of a list', async () => {
  server.answer(
    json({ schedules: [{ name: 'a' }], nextCursor: 'c' }),
    json({ schedules: [{ name: 'b' }], nextCursor: null }),
  );
  expect((await scheduling.schedules()).map(({ name }) => name)).toEqual(['a', 'b']);
  expect(server.asked.map(({ url }) => url)).toEqual(['/v1/schedules?limit=500', '/v1/schedules?cursor=c&limit=500']);
});

it('repeats what may be repeated under one key, and never what would be done twice', async () => {
  server.answer(breakConnection, json({ id: 'run_2' }), breakConnection, problem(503, 'unavailable', 'no'));
  await scheduling.retryRun('r');
  const keys = server.asked.map(({ headers }) => headers['idempotency-key']);
  expect(new Set(keys).size).toBe(1);
  expect(keys).toHaveLength(2);
  await expect(scheduling.triggerSchedule('n')).rejects.toMatchObject({ code: 'unavailable' });
  expect(server.asked).toHaveLength(3);
});

it('answers nothing where there is nothing to answer', async () => {
  server.answer(noContent, noContent, noContent);
  expect(await scheduling.deleteSchedule('n')).toBeUndefined();
  expect(await scheduling.deleteWebhook('w')).toBeUndefined();
  expect(await scheduling.replayDeadLetter('d')).toBeUndefined();
});

it('filters runs by label, time and schedule', async () => {
  server.answer(json({ runs: [], nextCursor: null }));
  const filter = { labels: { a: 'b=c', d: 'e' }, after: new Date(0), schedule: 'schedule_1' };
  for await (const page of client.listRuns(filter)) expect(page).toEqual([]);
  const query = new URL(server.asked[0]?.url ?? '', 'http://x').searchParams;
  expect(query.getAll('label')).toEqual(['a=b=c', 'd=e']);
  expect(Object.fromEntries(query)).toMatchObject({ after: '1970-01-01T00:00:00.000Z', schedule: 'schedule_1' });
});
