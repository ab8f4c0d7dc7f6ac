/** Schedules, webhooks and the filters of runs through the scheduler's face: what a caller sees, on a scheduler that runs. */
import { timestampDate, timestampFromMs } from '@bufbuild/protobuf/wkt';
import { schedulerV1 } from '@cogmesh/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isSigned, startReceiver } from '../test/receiver.js';
import { SchedulerFixture, until, type FixtureOptions } from '../test/scheduler-fixture.js';
import { output } from '../test/fake-agent.js';

const { RunState, Schedule_Misfire: Misfire, Schedule_Overlap: Overlap } = schedulerV1;

const document = {
  name: 'report',
  input: { at: '${{ schedule.time }}' },
  tasks: [{ id: 'a', uses: 'script', script: 'return input', input: '${{ input.at + " " + schedule.name }}' }],
  output: '${{ tasks.a.output }}',
};
const yearly = { name: 'yearly', cron: '0 0 1 1 *', documentJson: JSON.stringify(document) };
const mayRun = [{ action: 'create', resource: '/runs' }];

export function timedContract(name: string, where: () => FixtureOptions): void {
  describe(`by the clock on ${name}`, () => {
    let fixture: SchedulerFixture;

    beforeEach(async () => {
      const settings = { COGMESH_WEBHOOK_ALLOW_PRIVATE: '1' };
      fixture = await SchedulerFixture.open({ ...where(), settings });
      await fixture.addAgent('agent_1', ({ input }) => output(input));
      await fixture.start();
    });
    afterEach(() => fixture.close());

    const put = async (schedule: object, options: { access?: typeof mayRun; organisation?: string } = {}) => {
      const permitted = await fixture.permitted('putSchedule', { access: mayRun, ...options });
      return (await fixture.client.putSchedule({ schedule }, permitted)).schedule as schedulerV1.Schedule;
    };
    const get = async (schedule: string, organisation = 'globex') =>
      fixture.client.getSchedule({ schedule }, await fixture.permitted('getSchedule', { organisation }));

    describe('a schedule', () => {
      it('fires, with its creator’s rights asked for again, and its runs are found by it', async () => {
        const { id, createdBy } = await put({ ...yearly, name: 'often', cron: '* * * * * *', overlap: Overlap.ALLOW });
        expect(createdBy).toBe('ada');
        const { lastRunId = '', lastAt } = await until('a firing', async () => {
          const { schedule } = await get('often');
          return schedule?.lastRunId === '' ? undefined : schedule;
        });
        const run = await fixture.finished(lastRunId);
        expect(run).toMatchObject({
          scheduleId: id,
          name: 'report',
          labels: { schedule: 'often' },
          submittedBy: 'ada',
        });
        expect(RunState[run.state]).toBe('SUCCEEDED');
        const told = (await fixture.output(lastRunId)) as string;
        expect(told).toMatch(/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z often$/);
        if (lastAt) expect(Date.parse(told.split(' ')[0] ?? '')).toBeLessThanOrEqual(timestampDate(lastAt).getTime());
        expect(fixture.policy.asked).toContain('ada member create run:');
        const listed = await fixture.client.listRuns({ scheduleId: id }, await fixture.permitted('listRuns'));
        expect(listed.runs.map((each) => each.id)).toContain(lastRunId);
        await fixture.client.deleteSchedule({ schedule: 'often' }, await fixture.permitted('deleteSchedule'));
        await expect(get('often')).rejects.toMatchObject({ code: 'not_found' });
        expect((await fixture.run(lastRunId)).scheduleId).toBe(id);
      });

      it('is put by name, keeps its id when it is replaced, and tells its next times', async () => {
        const made = await put({ ...yearly, timeZone: 'Europe/Amsterdam' });
        expect(made).toMatchObject({
          name: 'yearly',
          organisation: 'globex',
          timeZone: 'Europe/Amsterdam',
          misfire: Misfire.ONCE,
          maxMisfires: 10,
          overlap: Overlap.SKIP,
          documentJson: yearly.documentJson,
          lastRunId: '',
        });
        const { upcoming } = await get(made.id);
        expect(upcoming).toHaveLength(10);
        expect(timestampDate(upcoming[0] ?? timestampFromMs(0)).toISOString()).toMatch(/-12-31T23:00:00\.000Z$/);
        const replaced = await put({ ...yearly, misfire: Misfire.ALL, maxMisfires: 3, paused: true });
        expect(replaced).toMatchObject({
          id: made.id,
          timeZone: 'UTC',
          misfire: Misfire.ALL,
          maxMisfires: 3,
          paused: true,
        });
        expect(replaced.nextAt).toBeUndefined();
        expect((await get('yearly')).upcoming).toEqual([]);
      });

      it('is listed in pages, without its document, to its own organisation only', async () => {
        for (const each of ['one', 'two', 'three']) await put({ ...yearly, name: each });
        await put(yearly, { organisation: 'initech' });
        const page = { limit: 2, cursor: '' };
        const list = async (cursor: string) =>
          fixture.client.listSchedules({ page: { ...page, cursor } }, await fixture.permitted('listSchedules'));
        const first = await list('');
        expect(first.schedules.map((each) => each.name)).toEqual(['three', 'two']);
        expect(first.schedules[0]?.documentJson).toBe('');
        expect((await list(first.nextCursor)).schedules.map((each) => each.name)).toEqual(['one']);
        await expect(get('one', 'initech')).rejects.toMatchObject({ code: 'not_found' });
        const permitted = await fixture.permitted('deleteSchedule', { organisation: 'initech' });
        await expect(fixture.client.deleteSchedule({ schedule: 'one' }, permitted)).rejects.toMatchObject({
          code: 'not_found',
        });
      });

      it.each([
        [{ name: 'No Name' }, 'invalid_argument', /is no name of a schedule/],
        [{ cron: '61 * * * *' }, 'invalid_argument', /Invalid value for minute/],
        [{ cron: '0 0 30 2 *' }, 'invalid_argument', /never comes/],
        [{ timeZone: 'Mars/Olympus' }, 'invalid_argument', /IANA/],
        [{ maxMisfires: 1_001 }, 'invalid_argument', /1 to 1000/],
        [{ overlap: 9 }, 'invalid_argument', /overlap/],
        [{ documentJson: '{' }, 'invalid_json', /not valid JSON/],
        [{ documentJson: '{"tasks":[]}' }, 'invalid_run', /at least one task/],
        [{ documentJson: '{"input":"${{ run.id }}","tasks":[]}' }, 'invalid_expression', /sees only "schedule"/],
        [
          { documentJson: '{"tasks":[{"id":"a","uses":"script","script":"return 1","input":"${{ schedul.time }}"}]}' },
          'invalid_run',
          /no "schedul" in scope/,
        ],
      ])('is refused with %j', async (wrong, code, message) => {
        await expect(put({ ...yearly, ...wrong })).rejects.toMatchObject({
          code,
          message: expect.stringMatching(message) as string,
        });
      });

      it('needs the rights of its document', async () => {
        const tasks = [{ id: 'a', uses: 'model:acme/read@^4', input: { image: { $blob: 'blob_1' } } }];
        const documentJson = JSON.stringify({ tasks });
        await expect(put({ ...yearly, documentJson })).rejects.toMatchObject({ code: 'permission_denied' });
        const access = [
          ...mayRun,
          { action: 'infer', resource: '/models/acme/read' },
          { action: 'read', resource: '/blobs/blob_1' },
        ];
        expect(await put({ ...yearly, documentJson }, { access })).toMatchObject({ name: 'yearly' });
      });

      it('fires beside its times as long as its creator may', async () => {
        await put({ ...yearly, paused: true });
        const trigger = async () =>
          fixture.client.triggerSchedule({ schedule: 'yearly' }, await fixture.permitted('triggerSchedule'));
        const { runId } = await trigger();
        expect(RunState[(await fixture.finished(runId)).state]).toBe('SUCCEEDED');
        expect((await get('yearly')).schedule?.lastRunId).toBe(runId);
        fixture.policy.denied.add('create run:');
        await expect(trigger()).rejects.toMatchObject({ code: 'permission_denied' });
      });

      it('is filled up over a past range, once', async () => {
        await put({ ...yearly, cron: '0 0 * * *' });
        const [from, to] = ['2026-03-01', '2026-03-04'].map((day) => timestampFromMs(Date.parse(`${day}T00:00:00Z`)));
        const backfill = async (limit = 0) =>
          fixture.client.backfillSchedule(
            { schedule: 'yearly', limit, ...(from && to ? { from, to } : {}) },
            await fixture.permitted('backfillSchedule'),
          );
        await expect(backfill(2)).rejects.toMatchObject({ code: 'invalid_argument' });
        const { runIds } = await backfill();
        for (const runId of runIds) await fixture.finished(runId);
        expect(await Promise.all(runIds.map((runId) => fixture.output(runId)))).toEqual(
          ['01', '02', '03'].map((day) => `2026-03-${day}T00:00:00.000Z yearly`),
        );
        expect((await backfill()).runIds).toEqual([]);
      });
    });

    describe('runs', () => {
      it('are found by labels and time', async () => {
        const tasks = [{ id: 'a', uses: 'script', script: 'return 1' }];
        const submit = (labels: object) => fixture.submit({ labels, tasks });
        const [one, two, three] = [
          await submit({ team: 'x', kind: "it's" }),
          await submit({ team: 'x' }),
          await submit({ team: 'y' }),
        ];
        await fixture.submit({ labels: { team: 'x' }, tasks }, { organisation: 'initech' });
        const ids = async (request: object) =>
          (await fixture.client.listRuns(request, await fixture.permitted('listRuns'))).runs.map((run) => run.id);
        expect(await ids({ labels: { team: 'x' } })).toEqual([two.id, one.id]);
        expect(await ids({ labels: { team: 'x', kind: "it's" } })).toEqual([one.id]);
        expect(await ids({ labels: { team: 'z' } })).toEqual([]);
        expect(await ids({ labels: { team: 'x' }, page: { limit: 1, cursor: '' } })).toEqual([two.id]);
        const created = timestampDate(two.createdAt ?? timestampFromMs(0)).getTime();
        expect(await ids({ createdAfter: timestampFromMs(created) })).toContain(three.id);
        expect(await ids({ createdBefore: timestampFromMs(created) })).not.toContain(two.id);
        expect(await ids({ createdAfter: timestampFromMs(Date.now() + 60_000) })).toEqual([]);
        const many = Object.fromEntries(Array.from({ length: 9 }, (_, index) => [`l${index}`, 'x']));
        await expect(ids({ labels: many })).rejects.toMatchObject({ code: 'invalid_argument' });
      });
    });

    describe('a webhook', () => {
      const hook = async (webhook: object, organisation = 'globex') => {
        const permitted = await fixture.permitted('putWebhook', { organisation });
        return (await fixture.client.putWebhook({ webhook }, permitted)).webhook as schedulerV1.Webhook;
      };
      const deliveries = async (webhookId: string, organisation = 'globex') =>
        fixture.client.listDeliveries({ webhookId }, await fixture.permitted('listDeliveries', { organisation }));

      it('hears of a run that ended, and is told its secret once', async () => {
        const receiver = await startReceiver();
        try {
          const made = await hook({ url: receiver.url, labels: { team: 'x' } });
          expect(Buffer.from(made.secret, 'base64')).toHaveLength(32);
          const tasks = [{ id: 'a', uses: 'script', script: 'return 1' }];
          await fixture.submit({ tasks });
          const { id } = await fixture.submit({ labels: { team: 'x' }, tasks });
          const [call] = await until('the call', () => (receiver.calls.length > 0 ? receiver.calls : undefined));
          expect(call && isSigned(call, made.secret)).toBe(true);
          expect(JSON.parse(call?.body ?? '')).toMatchObject({
            type: 'run.succeeded',
            data: { id, state: 'SUCCEEDED' },
          });
          await until('the delivery', async () => (await deliveries(made.id)).deliveries[0]?.delivered);
          expect((await deliveries(made.id)).deliveries).toMatchObject([{ runId: id, attempt: 1, status: 200 }]);
          const listed = await fixture.client.listWebhooks({}, await fixture.permitted('listWebhooks'));
          expect(listed.webhooks).toMatchObject([
            { id: made.id, url: receiver.url, secret: '', labels: { team: 'x' } },
          ]);
          const changed = await hook({ id: made.id, url: receiver.url, states: [RunState.FAILED], paused: true });
          expect(changed).toMatchObject({ id: made.id, secret: '', states: [RunState.FAILED], paused: true });
          await fixture.client.deleteWebhook({ webhookId: made.id }, await fixture.permitted('deleteWebhook'));
          await expect(deliveries(made.id)).rejects.toMatchObject({ code: 'not_found' });
        } finally {
          await receiver.close();
        }
      });

      it.each([
        [{ url: 'ftp://example.com/' }, /https URL/],
        [{ url: 'nothing' }, /https URL/],
        [{ url: `https://${'x'.repeat(60)}.example/`.padEnd(2_100, 'x') }, /2048/],
        [{ url: 'https://user:word@example.com/' }, /no user/],
        [{ url: 'https://example.com/', states: [RunState.PENDING] }, /PENDING/],
        [{ url: 'https://example.com/', states: [99] }, /PENDING/],
      ])('is refused with %#', async (wrong, message) => {
        await expect(hook(wrong)).rejects.toMatchObject({
          code: 'invalid_argument',
          message: expect.stringMatching(message) as string,
        });
      });

      it('is nobody else’s', async () => {
        const { id } = await hook({ url: 'https://example.com/' });
        const refused = { code: 'not_found' };
        await expect(deliveries(id, 'initech')).rejects.toMatchObject(refused);
        await expect(hook({ id, url: 'https://example.com/' }, 'initech')).rejects.toMatchObject(refused);
        const permitted = await fixture.permitted('deleteWebhook', { organisation: 'initech' });
        await expect(fixture.client.deleteWebhook({ webhookId: id }, permitted)).rejects.toMatchObject(refused);
      });
    });
  });

  it(`without leave, a webhook on ${name} has an https URL of the public internet`, async () => {
    const fixture = await SchedulerFixture.open(where());
    try {
      await fixture.start();
      for (const url of ['http://example.com/', 'https://127.0.0.1/', 'https://[::1]/', 'https://169.254.169.254/']) {
        const permitted = await fixture.permitted('putWebhook');
        await expect(fixture.client.putWebhook({ webhook: { url } }, permitted)).rejects.toMatchObject({
          code: 'invalid_argument',
        });
      }
    } finally {
      await fixture.close();
    }
  });
}
