/** What the duty must do, whatever database it is in. */
import type { Database } from '@cogmesh/database';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { schedulerMigrations } from '../adapters/migrations.js';
import type { Sighting } from './duty.js';
import { SqlPoolDuty } from './sql-pool-duty.js';

const sighting = (queued: number): Sighting => ({
  waiting: [['script', { queued, readyAtMs: 5 }]],
  busy: [['script', 1]],
});

export function poolDutyContract(name: string, open: () => Promise<Database>): void {
  describe(`the duty of the pool in ${name}`, () => {
    let database: Database;
    const duty = (replica: string, holdsMs = 60_000) => new SqlPoolDuty(database, { replica, holdsMs });

    beforeEach(async () => {
      database = await open();
      await database.migrate(schedulerMigrations);
    });
    afterEach(() => database.close());

    it('is one replica’s, who hears what all see', async () => {
      const [first, second] = [duty('a'), duty('b')];
      expect(await first.take(sighting(1))).toEqual([sighting(1)]);
      expect(await second.take(sighting(2))).toBeUndefined();
      expect(await first.take(sighting(3))).toEqual([sighting(3), sighting(2)]);
    });

    it('is the next one’s as soon as it is released', async () => {
      const [first, second] = [duty('a'), duty('b')];
      await first.take(sighting(1));
      await first.release();
      expect(await second.take(sighting(2))).toEqual([sighting(2)]);
      expect(await first.take(sighting(1))).toBeUndefined();
      await first.release();
      expect(await second.take(sighting(2))).toEqual([sighting(2)]);
    });

    it('of one that is gone is taken over, and what it saw is forgotten', async () => {
      await duty('a', 20).take(sighting(1));
      const second = duty('b', 20);
      await vi.waitFor(async () => expect(await second.take(sighting(2))).toEqual([sighting(2)]), { timeout: 5_000 });
    });

    it('is taken once however many ask at the same time', async () => {
      const replicas = Array.from({ length: 5 }, (_, at) => duty(`replica-${at}`));
      const taken = await Promise.all(replicas.map((each) => each.take(sighting(1))));
      expect(taken.filter((each) => each !== undefined)).toHaveLength(1);
    });
  });
}
