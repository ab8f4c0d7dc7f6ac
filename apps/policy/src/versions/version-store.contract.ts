/** What a VersionStore must do, whatever the database. */
import type { Database } from '@cogmesh/database';
import { parsePolicySet } from '@cogmesh/policy-core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { policyMigrations } from '../adapters/migrations.js';
import { SqlPolicyStore } from '../adapters/sql-policy-store.js';
import { SqlVersionStore } from '../adapters/sql-version-store.js';
import { versionMigrations } from '../adapters/version-migrations.js';
import { flipsKeptMax } from './limits.js';
import type { StoredFlip } from './version-store.js';

const flip = (key: string, fields: Partial<StoredFlip> = {}): StoredFlip => ({
  key,
  callerOrganisation: 'acme',
  subject: 'ada',
  action: 'read',
  resource: '/runs',
  owner: 'acme',
  liveCode: 'allowed',
  candidateCode: 'no_matching_allow',
  liveReason: 'policy "a"',
  candidateReason: 'nothing',
  count: 1,
  lastAt: 10,
  ...fields,
});
const tally = { compared: 5, skipped: 1, flipsToDeny: 2, flipsToAllow: 1 };

/** `open` answers an empty database for each test. */
export function versionStoreContract(name: string, open: () => Promise<Database>): void {
  describe(`versions on ${name}`, () => {
    let database: Database;
    let store: SqlVersionStore;
    let policies: SqlPolicyStore;
    const document = (id: string) => parsePolicySet([{ id, permissions: ['read'], resources: ['/runs'] }]);
    const put = (id: string, note = '') =>
      policies.put({ organisation: 'acme', document: document(id), grants: [], expectedEpoch: 0, writtenBy: id, note });
    const candidate = (id: string) =>
      store.putCandidate({ organisation: 'acme', id, documentJson: '{"policies":[]}', writtenBy: 'ada', note: 'try' });

    beforeEach(async () => {
      database = await open();
      await database.migrate([...policyMigrations, ...versionMigrations]);
      store = new SqlVersionStore(database);
      policies = new SqlPolicyStore(database);
      const organisations = ['acme', 'globex'].map((one) => ({ name: one, document: document(one), grants: [] }));
      await policies.addMissing({ organisations, issuers: [] });
    });
    afterEach(() => database.close());

    it('lists epochs from the newest, by pages, each with who, when and what for', async () => {
      await put('second', 'let auditors in');
      await put('third');
      const all = await store.versions({ organisation: 'acme', limit: 10, before: 0 });
      expect(all.map(({ epoch, writtenBy, note, live }) => [epoch, writtenBy, note, live])).toEqual([
        [3, 'third', '', true],
        [2, 'second', 'let auditors in', false],
        [1, 'bootstrap', '', false],
      ]);
      expect(all[0]?.writtenAt).toBeGreaterThan(1_700_000_000_000);
      expect((await store.versions({ organisation: 'acme', limit: 1, before: 3 })).map(({ epoch }) => epoch)).toEqual([
        2,
      ]);
      expect(await store.versions({ organisation: 'nobody', limit: 10, before: 0 })).toEqual([]);
    });

    it('finds the set of one epoch, and none that never was', async () => {
      await put('second');
      expect((await store.version('acme', 1))?.documentJson).toContain('"acme"');
      expect(await store.version('acme', 2)).toMatchObject({ live: true });
      expect(await store.version('acme', 3)).toBeUndefined();
      expect(await store.version('globex', 2)).toBeUndefined();
    });

    it('keeps one candidate per organisation; another one begins from nothing', async () => {
      expect(await candidate('c1')).toMatchObject({ id: 'c1', basedOnEpoch: 1, note: 'try', tally: { compared: 0 } });
      await store.addTally('acme', 'c1', { tally, flips: [flip('k')] });
      await put('second');
      expect(await candidate('c2')).toMatchObject({ id: 'c2', basedOnEpoch: 2, tally: { compared: 0 } });
      expect(await store.candidateIds()).toEqual(new Map([['acme', 'c2']]));
      expect(await store.flips('c1')).toEqual([]);
      expect(await store.candidate('globex')).toBeUndefined();
    });

    it('refuses the candidate of an organisation that does not exist', async () => {
      const write = { organisation: 'hooli', id: 'c', documentJson: '{}', writtenBy: 'x', note: '' };
      await expect(store.putCandidate(write)).rejects.toMatchObject({ code: 'not_found' });
    });

    it('adds up what several instances counted', async () => {
      await candidate('c1');
      await store.addTally('acme', 'c1', { tally, flips: [flip('often', { count: 3 }), flip('seldom')] });
      await store.addTally('acme', 'c1', { tally, flips: [flip('often', { count: 4, lastAt: 20 })] });
      expect((await store.candidate('acme'))?.tally).toEqual({
        compared: 10,
        skipped: 2,
        flipsToDeny: 4,
        flipsToAllow: 2,
      });
      expect(await store.flips('c1')).toEqual([flip('often', { count: 7, lastAt: 20 }), flip('seldom')]);
    });

    it('keeps no more distinct flips than it may, and counts on for those it has', async () => {
      await candidate('c1');
      const many = Array.from({ length: flipsKeptMax + 5 }, (_, i) => flip(`k${String(i).padStart(4, '0')}`));
      await store.addTally('acme', 'c1', { tally, flips: many });
      expect(await store.flips('c1')).toHaveLength(flipsKeptMax);
      await store.addTally('acme', 'c1', { tally, flips: [flip('new'), flip('k0000', { count: 8 })] });
      const [most, ...rest] = await store.flips('c1');
      expect(most).toMatchObject({ key: 'k0000', count: 9 });
      expect(rest.map(({ key }) => key)).not.toContain('new');
    });

    it('counts nothing for a candidate that is gone', async () => {
      await candidate('c1');
      await candidate('c2');
      await store.addTally('acme', 'c1', { tally, flips: [flip('k')] });
      expect((await store.candidate('acme'))?.tally.compared).toBe(0);
      expect(await store.flips('c1')).toEqual([]);
    });

    it('drops a candidate once, and with an id only that one', async () => {
      await candidate('c1');
      await store.addTally('acme', 'c1', { tally, flips: [flip('k')] });
      expect(await store.dropCandidate('acme', 'c0')).toBe(false);
      expect(await store.dropCandidate('acme', 'c1')).toBe(true);
      expect(await store.dropCandidate('acme')).toBe(false);
      expect(await store.flips('c1')).toEqual([]);
    });
  });
}
