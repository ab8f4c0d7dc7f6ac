/** What a RevocationStore must do, whatever the database. */
import type { Database } from '@cogmesh/database';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { revocationMigrations } from '../adapters/revocation-migrations.js';
import { SqlRevocationStore } from '../adapters/sql-revocation-store.js';
import type { RevocationWrite } from './revocation-store.js';

/** `open` answers an empty database for each test. */
export function revocationStoreContract(name: string, open: () => Promise<Database>): void {
  describe(`revocations on ${name}`, () => {
    let database: Database;
    let store: SqlRevocationStore;
    const thing = (value: string, organisation = 'acme') =>
      ({ kind: 'subject', organisation, issuer: 'https://i', value }) as const;
    const write = (value: string, parts: Partial<RevocationWrite> = {}): RevocationWrite => ({
      ...thing(value),
      reason: 'left',
      revokedBy: 'ada',
      untilMs: 0,
      ...parts,
    });

    beforeEach(async () => {
      database = await open();
      await database.migrate(revocationMigrations);
      store = new SqlRevocationStore(database);
    });
    afterEach(() => database.close());

    it('counts every change, and tells those after an epoch in order', async () => {
      await store.put(write('a'));
      await store.put(write('b'));
      const again = await store.put(write('a', { reason: 'still' }));
      expect(again).toMatchObject({ epoch: 3, reason: 'still', revokedBy: 'ada', lifted: false });
      expect((await store.since(0)).map(({ value, epoch }) => [value, epoch])).toEqual([
        ['b', 2],
        ['a', 3],
      ]);
      expect(await store.since(3)).toEqual([]);
    });

    it('gives simultaneous writes epochs of their own, without a hole that a reader could step over', async () => {
      await Promise.all(Array.from({ length: 20 }, (_, i) => store.put(write(`s${String(i)}`))));
      expect((await store.since(0)).map(({ epoch }) => epoch)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    });

    it('lists what is in force by pages, newest first, of one organisation', async () => {
      for (const value of ['a', 'b', 'c']) await store.put(write(value));
      await store.put(write('x', { organisation: 'globex' }));
      await store.put(write('over', { untilMs: 1 }));
      await store.lift(thing('b'));
      const page = await store.list({ organisation: 'acme', limit: 1, before: 0 });
      expect(page.map(({ value }) => value)).toEqual(['c']);
      const rest = await store.list({ organisation: 'acme', limit: 9, before: page[0]?.epoch ?? 0 });
      expect(rest.map(({ value }) => value)).toEqual(['a']);
    });

    it('lifts once, and tells it as a change', async () => {
      await store.put(write('a'));
      expect(await store.lift(thing('a'))).toMatchObject({ value: 'a', lifted: true });
      expect(await store.lift(thing('a'))).toBeUndefined();
      expect(await store.lift(thing('never'))).toBeUndefined();
      const [change] = (await store.since(1)).slice(-1);
      expect(change).toMatchObject({ value: 'a', lifted: true });
      await store.put(write('a'));
      expect((await store.since(0)).at(-1)).toMatchObject({ value: 'a', lifted: false });
    });

    it('forgets what has ended and keeps the rest', async () => {
      await store.put(write('over', { untilMs: 1 }));
      await store.put(write('long', { untilMs: Date.now() + 600_000 }));
      await store.put(write('good'));
      await store.sweep();
      expect((await store.since(0)).map(({ value }) => value)).toEqual(['long', 'good']);
    });
  });
}
