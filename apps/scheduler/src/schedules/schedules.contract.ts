/** What schedules must do, whatever database they are in. */
import type { Database } from '@cogmesh/database';
import { CogmeshError } from '@cogmesh/errors';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ScheduleWorld } from '../../test/schedule-world.js';
import { backfill } from './backfill.js';

export interface Databases {
  /** One more connection to the database of this test. */
  open(): Promise<Database>;
  close(): Promise<void>;
}

export function schedulesContract(name: string, begin: () => Promise<Databases>): void {
  describe(`schedules on ${name}`, () => {
    let databases: Databases;
    let world: ScheduleWorld;

    beforeEach(async () => {
      databases = await begin();
      world = await ScheduleWorld.open(await databases.open());
    });
    afterEach(() => databases.close());

    it('fire at their times, with the time in the run and their name on it', async () => {
      const id = await world.put();
      const loop = world.loop();
      expect(await loop.poll()).toBe(1_000);
      expect(await world.runs()).toEqual([]);
      world.moveTo(1);
      await world.settle(loop);
      const [run] = await world.runs();
      expect(run).toMatchObject({ name: 'every-minute', state: 'PENDING' });
      expect(JSON.parse(run?.labels ?? '')).toEqual({ schedule: 'every-minute' });
      expect(await world.state()).toMatchObject({
        id,
        lastRunId: run?.id,
        lastAt: world.at(1),
        nextAt: world.at(2),
        dueAt: world.at(2),
        lastError: null,
      });
      world.moveTo(2);
      await world.settle(loop);
      expect(await world.fired()).toEqual([1, 2]);
    });

    it('sleep until the next one, at most a second', async () => {
      const loop = world.loop();
      expect(await loop.poll()).toBe(1_000);
      await world.put({ nextAt: world.at(0) + 250 });
      expect(await loop.poll()).toBe(250);
    });

    it.each([
      ['skip', [10]],
      ['once', [10]],
      ['all', [8, 9, 10]],
    ] as const)('%s says what happens to times that passed', async (misfire, want) => {
      await world.put({ misfire, maxMisfires: 3 });
      world.moveTo(10);
      await world.settle(world.loop());
      expect(await world.fired()).toEqual(want);
      expect((await world.state()).nextAt).toBe(world.at(11));
    });

    it('skip drops a late time and says so', async () => {
      await world.put({ misfire: 'skip', cron: '0 * * * *', nextAt: world.at(60) });
      world.moveTo(62);
      await world.settle(world.loop());
      expect(await world.fired()).toEqual([]);
      const { lastError, nextAt } = await world.state();
      expect(JSON.parse(lastError ?? '')).toMatchObject({ code: 'misfire' });
      expect(nextAt).toBe(world.at(120));
    });

    it('skip a time while the run before is unfinished, and go on when it ended', async () => {
      await world.put({ overlap: 'skip' });
      const loop = world.loop();
      world.moveTo(1);
      await world.settle(loop);
      world.moveTo(2);
      await world.settle(loop);
      const { lastError, lastRunId } = await world.state();
      expect(JSON.parse(lastError ?? '')).toMatchObject({ code: 'overlap' });
      await world.end(lastRunId ?? '');
      world.moveTo(3);
      await world.settle(loop);
      expect(await world.fired()).toEqual([1, 3]);
      expect((await world.state()).lastError).toBeNull();
    });

    it('queue one time until the run before ends', async () => {
      await world.put({ overlap: 'queue' });
      const loop = world.loop();
      for (const time of [1, 2, 3, 4]) {
        world.moveTo(time);
        await world.settle(loop);
      }
      expect(await world.fired()).toEqual([1]);
      expect(await world.state()).toMatchObject({ waitingAt: world.at(2), dueAt: world.at(4) + 1_000 });
      await world.end((await world.state()).lastRunId ?? '');
      world.moveTo(4 + 1 / 60);
      await world.settle(loop);
      expect(await world.fired()).toEqual([1, 2]);
      expect(await world.state()).toMatchObject({ waitingAt: null, nextAt: world.at(5) });
    });

    it('cancel the run before, once it is sure that a new one may be made', async () => {
      await world.put({ overlap: 'cancel' });
      const loop = world.loop();
      world.moveTo(1);
      await world.settle(loop);
      const first = (await world.state()).lastRunId;
      world.decide = () => Promise.reject(new CogmeshError('permission_denied', 'no'));
      world.moveTo(2);
      await world.settle(loop);
      expect(world.cancelled).toEqual([]);
      world.decide = () => Promise.resolve();
      world.moveTo(3);
      await world.settle(loop);
      expect(world.cancelled).toEqual([first]);
      expect((await world.runs()).map(({ state }) => state)).toEqual(['CANCELLED', 'PENDING']);
      expect(await world.fired()).toEqual([1, 3]);
    });

    it('make no run when the creator may not any more, and say why', async () => {
      await world.put();
      world.decide = ({ sub, roles }, needed) =>
        Promise.reject(new CogmeshError('permission_denied', `${sub} (${roles.join()}) may not ${needed[0]?.action}`));
      world.moveTo(1);
      await world.settle(world.loop());
      expect(await world.runs()).toEqual([]);
      const { lastError, nextAt } = await world.state();
      expect(JSON.parse(lastError ?? '')).toMatchObject({
        code: 'permission_denied',
        message: 'ada (member) may not create',
      });
      expect(nextAt).toBe(world.at(2));
      world.decide = () => Promise.resolve();
      world.moveTo(2);
      await world.settle(world.loop());
      expect(await world.fired()).toEqual([2]);
      expect((await world.state()).lastError).toBeNull();
    });

    it('wait while nobody can decide, without delaying others', async () => {
      await world.put({ name: 'waits' });
      await world.put({
        name: 'goes',
        createdBy: JSON.stringify({ ...{ sub: 'bob', roles: [] }, organisation: 'globex' }),
      });
      world.decide = ({ sub }) =>
        sub === 'ada' ? Promise.reject(new CogmeshError('unavailable', 'policy is away')) : Promise.resolve();
      const loop = world.loop();
      world.moveTo(1);
      await world.settle(loop);
      expect((await world.runs()).map((run) => run.name)).toEqual(['goes']);
      const waits = await world.state('waits');
      expect(waits).toMatchObject({ nextAt: world.at(1), dueAt: world.at(1) + 5_000 });
      expect(JSON.parse(waits.lastError ?? '')).toMatchObject({ code: 'unavailable', retryable: true });
      world.decide = () => Promise.resolve();
      world.moveTo(1 + 5 / 60);
      await world.settle(loop);
      expect((await world.runs()).map((run) => run.name)).toEqual(['goes', 'waits']);
      expect(await world.fired()).toEqual([1, 1]);
    });

    it('do not fire while paused, and start at the next time when resumed', async () => {
      await world.put({ paused: 1 });
      world.moveTo(5);
      expect(await world.loop().poll()).toBe(1_000);
      await world.put({ paused: 0, nextAt: world.at(6) });
      world.moveTo(6);
      await world.settle(world.loop());
      expect(await world.fired()).toEqual([6]);
    });

    it('fire once per time with two replicas on one database', async () => {
      const second = await databases.open();
      for (let index = 0; index < 5; index += 1)
        await world.put({ name: `s${index}`, misfire: 'all', maxMisfires: 100 });
      const [one, two] = [world.loop(), world.loop(second)];
      world.moveTo(20);
      for (let polls = 0; polls < 100; polls += 1) {
        const rests = await Promise.all([one.poll(), two.poll()]);
        if (rests.every((rest) => rest > 0)) break;
      }
      const each = Array.from({ length: 20 }, (_, index) => index + 1).flatMap((time) => [
        time,
        time,
        time,
        time,
        time,
      ]);
      expect(await world.fired()).toEqual(each);
    });

    it('fire once when the process dies at the end of the transaction', async () => {
      await world.put();
      world.beforeCommit = () => {
        throw new Error('killed');
      };
      world.moveTo(1);
      await world.loop().poll();
      expect(await world.runs()).toEqual([]);
      expect(await world.state()).toMatchObject({ nextAt: world.at(1), lastRunId: null, lastAt: null });
      world.beforeCommit = () => undefined;
      world.moveTo(1.5);
      await world.settle(world.loop());
      await world.settle(world.loop());
      expect(await world.fired()).toEqual([1]);
    });

    it('are not fired by one who read them before they were changed', async () => {
      await world.put();
      const firing = world.firing();
      world.moveTo(1);
      const loop = world.loop();
      world.decide = async () => {
        world.decide = () => Promise.resolve();
        await world.put({ nextAt: world.at(2) });
      };
      await world.settle(loop);
      expect(await world.runs()).toEqual([]);
      expect((await firing.schedules.find('globex', 'every-minute'))?.nextAt).toBe(world.at(2));
    });

    describe('a backfill', () => {
      const range = (from: number, to: number, limit = 0) => ({ from: world.at(from), to: world.at(to), limit });

      it('fires every time of a past range once, whoever fired it', async () => {
        await world.put();
        world.moveTo(3);
        await world.settle(world.loop());
        world.moveTo(10);
        const made = await backfill(world.firing(), await world.state(), range(1, 6));
        expect(made).toHaveLength(4);
        expect(await world.fired()).toEqual([1, 2, 3, 4, 5]);
        expect(await backfill(world.firing(), await world.state(), range(0, 7))).toHaveLength(2);
        expect(await world.fired()).toEqual([0, 1, 2, 3, 4, 5, 6]);
      });

      it('leaves its times to it when the clock comes to them', async () => {
        await world.put({ misfire: 'all' });
        world.moveTo(2);
        await backfill(world.firing(), await world.state(), range(1, 2));
        await world.settle(world.loop());
        expect(await world.fired()).toEqual([1, 2]);
      });

      it('asks policy once, and refuses ranges that are too long or not past', async () => {
        await world.put();
        let asked = 0;
        world.decide = () => Promise.resolve(void (asked += 1));
        world.moveTo(200);
        await backfill(world.firing(), await world.state(), range(0, 5));
        expect(asked).toBe(1);
        const attempt = async (...of: Parameters<typeof range>) =>
          backfill(world.firing(), await world.state(), range(...of));
        await expect(attempt(0, 102)).rejects.toThrow('more than 100 times');
        await expect(attempt(0, 50, 49)).rejects.toThrow('more than 49 times');
        await expect(attempt(0, 50, 1_001)).rejects.toThrow('limit is 1 to 1000');
        await expect(attempt(5, 5)).rejects.toThrow('ends before it begins');
        await expect(attempt(5, 201)).rejects.toThrow('in the future');
        expect(await world.runs()).toHaveLength(5);
      });
    });

    it('leave nothing but their runs behind when they are deleted', async () => {
      const id = await world.put();
      world.moveTo(1);
      await world.settle(world.loop());
      expect(await world.schedules.delete(id)).toBe(true);
      expect(await world.schedules.delete(id)).toBe(false);
      world.moveTo(2);
      expect(await world.loop().poll()).toBe(1_000);
      expect(await world.fired()).toEqual([1]);
    });
  });
}
