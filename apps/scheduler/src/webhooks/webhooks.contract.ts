/** What webhooks must do, whatever database they are in: from the engine's transaction to a receiver on loopback. */
import { sql, type Database } from '@cogmesh/database';
import { cancelRun, defaultAgeingMs, Engine, newRun, parseRun } from '@cogmesh/scheduling-core';
import { createLogger } from '@cogmesh/telemetry';
import { ulid } from 'ulid';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isSigned, startReceiver, type Receiver } from '../../test/receiver.js';
import { ScheduleWorld } from '../../test/schedule-world.js';
import { SqlEngineStore } from '../adapters/sql-engine-store.js';
import { storeSubmission } from '../adapters/sql-submissions.js';
import { SqlWebhooks } from '../adapters/sql-webhooks.js';
import { StoreClock } from '../adapters/store-clock.js';
import type { WebhookRow } from '../model/webhook.js';
import type { Databases } from '../schedules/schedules.contract.js';
import { WebhookSender } from './webhook-sender.js';

const secret = Buffer.alloc(32, 7).toString('base64');

export function webhooksContract(name: string, begin: () => Promise<Databases>): void {
  describe(`webhooks on ${name}`, () => {
    let databases: Databases;
    let db: Database;
    let world: ScheduleWorld;
    let webhooks: SqlWebhooks;
    let engine: Engine;
    let receiver: Receiver;

    beforeEach(async () => {
      databases = await begin();
      db = await databases.open();
      world = await ScheduleWorld.open(db);
      // Deliveries are due by the database's own clock, so the moved one starts a little ahead of it.
      world.moveTo((Date.now() - world.start) / 60_000 + 1);
      webhooks = new SqlWebhooks(db, world.clock);
      engine = new Engine({
        store: new SqlEngineStore(db),
        clock: new StoreClock(db, createLogger({ level: 'silent' })),
        random: () => 0,
        ageingMs: defaultAgeingMs,
        maxResidentRows: 1_000,
        maxPayloadBytes: 1_000_000,
      });
      await engine.own(new Map([[0, 0]]));
      receiver = await startReceiver();
    });
    afterEach(async () => {
      await receiver.close();
      await databases.close();
    });

    async function hook(change: Partial<WebhookRow> = {}): Promise<string> {
      const id = `webhook_${ulid()}`;
      const row = {
        id,
        organisation: 'globex',
        url: receiver.url,
        states: '[]',
        labels: '{}',
        secret,
        paused: 0,
        ...change,
      };
      await webhooks.create(row, 'ada');
      return id;
    }

    async function submit(labels: Record<string, string> = {}, organisation = 'globex'): Promise<string> {
      const document = { labels, input: 'hidden', tasks: [{ id: 'a', uses: 'script', script: 'return 1' }] };
      const runId = `run_${ulid()}`;
      const submission = {
        runId,
        organisation,
        shard: 0,
        submittedBy: 'ada',
        plan: parseRun(JSON.stringify(document), { organisation }),
        traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
        callerTraceparent: '',
        idempotencyKey: '',
        requestSha256: '',
      };
      await storeSubmission(db, newRun(submission, { now: await db.now(), ageingMs: defaultAgeingMs }));
      return runId;
    }

    /** Ends the run through the engine. */
    const cancel = (runId: string, then?: () => void): Promise<void> =>
      engine.transact([runId], (unit) => {
        for (const run of unit.runs) cancelRun(unit, run, 'enough');
        then?.();
      });

    const sender = (on = webhooks, maxAttempts = 3): WebhookSender =>
      new WebhookSender({
        webhooks: on,
        allowPrivate: true,
        maxAttempts,
        random: () => 0,
        logger: createLogger({ level: 'silent' }),
      });

    async function send(by = sender()): Promise<void> {
      while ((await by.poll()) === 0) await by.settled();
    }

    const deliveries = (webhookId: string) =>
      webhooks.deliveries(webhookId, 'globex', { limit: 50, before: undefined });
    let later = 0;
    function seconds(count: number): void {
      later += count;
      world.moveTo((Date.now() - world.start) / 60_000 + 1 + later / 60);
    }
    beforeEach(() => (later = 0));

    it('tell of the end of a run, signed, without what went in or came out', async () => {
      const id = await hook();
      const runId = await submit({ team: 'x' });
      await cancel(runId);
      await send();
      const [call] = receiver.calls;
      expect(receiver.calls).toHaveLength(1);
      expect(call).toMatchObject({ method: 'POST', path: '/hook', headers: { 'content-type': 'application/json' } });
      expect(call && isSigned(call, secret)).toBe(true);
      expect(call && isSigned({ ...call, body: `${call.body} ` }, secret)).toBe(false);
      expect(JSON.parse(call?.body ?? '')).toMatchObject({
        type: 'run.cancelled',
        timestamp: expect.stringMatching(/^20\d\d-.*Z$/),
        data: {
          id: runId,
          organisation: 'globex',
          state: 'CANCELLED',
          labels: { team: 'x' },
          createdAt: expect.stringMatching(/Z$/),
          finishedAt: expect.stringMatching(/Z$/),
          error: { code: 'cancelled' },
          traceId: '0af7651916cd43dd8448eb211c80319c',
        },
      });
      expect(call?.body).not.toContain('hidden');
      const [delivery] = await deliveries(id);
      expect(delivery).toMatchObject({ runId, attempt: 1, status: 200, error: '', delivered: 1, dueAt: null });
      expect(call?.headers['webhook-id']).toBe(delivery?.id);
      await send();
      expect(receiver.calls).toHaveLength(1);
    });

    it('are tried again after a growing while, under the same id, and given up', async () => {
      const id = await hook();
      receiver.answers.push({ status: 500 }, { status: 410 }, { status: 503 });
      await cancel(await submit());
      await send();
      expect((await deliveries(id))[0]).toMatchObject({
        attempt: 1,
        status: 500,
        error: 'it was refused',
        delivered: 0,
      });
      seconds(9);
      await send();
      expect(receiver.calls).toHaveLength(1);
      seconds(2);
      await send();
      expect(receiver.calls).toHaveLength(2);
      seconds(31);
      await send();
      expect((await deliveries(id))[0]).toMatchObject({ attempt: 3, status: 503, delivered: 0, dueAt: null });
      seconds(100_000);
      await send();
      expect(new Set(receiver.calls.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
      expect(receiver.calls).toHaveLength(3);
      expect(receiver.calls.every((call) => isSigned(call, secret))).toBe(true);
    });

    it('succeed at a later attempt', async () => {
      const id = await hook();
      receiver.answers.push({ status: 500 });
      await cancel(await submit());
      await send();
      seconds(11);
      await send();
      expect((await deliveries(id))[0]).toMatchObject({
        attempt: 2,
        status: 200,
        error: '',
        delivered: 1,
        dueAt: null,
      });
    });

    it('follow no redirect', async () => {
      const id = await hook();
      receiver.answers.push({ status: 307, headers: { location: receiver.url } });
      await cancel(await submit());
      await send();
      expect(receiver.calls).toHaveLength(1);
      expect((await deliveries(id))[0]).toMatchObject({
        status: 307,
        delivered: 0,
        error: expect.stringContaining('redirect'),
      });
    });

    it('note that nobody was there', async () => {
      const id = await hook({ url: 'http://127.0.0.1:1/' });
      await cancel(await submit());
      await send();
      expect((await deliveries(id))[0]).toMatchObject({
        status: 0,
        delivered: 0,
        error: expect.stringContaining('ECONNREFUSED'),
      });
    });

    it('are not lost and not invented when the transaction that ends the run fails', async () => {
      const id = await hook();
      const runId = await submit();
      await expect(
        cancel(runId, () => {
          throw new Error('killed');
        }),
      ).rejects.toThrow('killed');
      expect(await deliveries(id)).toEqual([]);
      await engine.own(new Map([[0, 0]]));
      await cancel(runId);
      await cancel(runId);
      expect(await deliveries(id)).toHaveLength(1);
    });

    it('are sent again by another sender when the first one died in the middle', async () => {
      const id = await hook();
      await cancel(await submit());
      const {
        deliveries: [taken],
      } = await webhooks.due(1, []);
      expect(taken && (await webhooks.take(taken, 30_000))).toBeGreaterThan(0);
      const other = new SqlWebhooks(await databases.open(), world.clock);
      expect(taken && (await other.take(taken, 30_000))).toBeUndefined();
      await send(sender(other));
      expect(receiver.calls).toHaveLength(0);
      seconds(31);
      await send(sender(other));
      expect(receiver.calls).toHaveLength(1);
      expect((await deliveries(id))[0]).toMatchObject({ attempt: 2, delivered: 1 });
    });

    it('are sent once by two senders on one database', async () => {
      await hook();
      for (let index = 0; index < 12; index += 1) await cancel(await submit());
      const two = [sender(), sender(new SqlWebhooks(await databases.open(), world.clock))];
      await Promise.all(two.map((each) => send(each)));
      expect(receiver.calls).toHaveLength(12);
      expect(new Set(receiver.calls.map(({ headers }) => headers['webhook-id'])).size).toBe(12);
    });

    it('let a slow receiver delay nobody else', async () => {
      await hook();
      const other = await startReceiver();
      await hook({ organisation: 'initech', url: other.url });
      receiver.answers.push(...Array.from({ length: 10 }, () => 'silent' as const));
      for (let index = 0; index < 10; index += 1) await cancel(await submit());
      await cancel(await submit({}, 'initech'));
      const by = sender();
      while ((await by.poll()) === 0 || other.calls.length === 0) await new Promise((resolve) => setImmediate(resolve));
      expect(other.calls).toHaveLength(1);
      expect(receiver.calls.length).toBeLessThanOrEqual(4);
      await other.close();
      await receiver.close();
      await by.settled();
    });

    it('hear only of what they asked for', async () => {
      const labelled = await hook({ labels: JSON.stringify({ team: 'x' }) });
      const failed = await hook({ states: JSON.stringify(['FAILED', 'CANCELLING']) });
      const paused = await hook({ paused: 1 });
      const foreign = await hook({ organisation: 'initech' });
      const [one, two] = [await submit({ team: 'x', more: 'y' }), await submit({ team: 'z' })];
      await cancel(one);
      await cancel(two);
      expect((await deliveries(labelled)).map(({ runId }) => runId)).toEqual([one]);
      expect((await deliveries(failed)).map(({ body }) => (JSON.parse(body) as { type: string }).type)).toEqual([
        'run.cancelling',
        'run.cancelling',
      ]);
      expect(await deliveries(paused)).toEqual([]);
      expect(await webhooks.deliveries(foreign, 'initech', { limit: 9, before: undefined })).toEqual([]);
    });

    it('wait while paused', async () => {
      const id = await hook();
      await cancel(await submit());
      const row = { id, organisation: 'globex', url: receiver.url, states: '[]', labels: '{}' };
      expect(await webhooks.replace({ ...row, paused: 1 })).toBe(true);
      await send();
      expect(receiver.calls).toHaveLength(0);
      expect(await webhooks.replace({ ...row, organisation: 'initech', paused: 0 })).toBe(false);
      expect(await webhooks.replace({ ...row, paused: 0 })).toBe(true);
      await send();
      expect(receiver.calls).toHaveLength(1);
    });

    it('leave nothing behind when they are deleted', async () => {
      const id = await hook();
      await cancel(await submit());
      expect(await webhooks.delete(id, 'initech')).toBe(false);
      expect(await webhooks.delete(id, 'globex')).toBe(true);
      await send();
      expect(receiver.calls).toHaveLength(0);
      const [left] = await db.query(sql<{ count: number }>`select count(*) as count from webhook_deliveries`);
      expect(left?.count).toBe(0);
    });
  });
}
