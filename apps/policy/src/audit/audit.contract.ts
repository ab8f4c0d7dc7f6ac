/** The decision log at the policy service, whatever database it is on: chains, at-least-once, tampering, pages, retention. */
import { sql, type Database } from '@cogmesh/database';
import { createLogger } from '@cogmesh/telemetry';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { auditMigrations } from '../adapters/audit-migrations.js';
import { SqlAuditStore } from '../adapters/sql-audit-store.js';
import { queryAudit, type AuditQuery } from './audit-reader.js';
import { AuditWriter, unknownOrganisation } from './audit-writer.js';
import { removeOldAudit } from './retention.js';
import { verifyAudit, type VerifyQuestion } from './verify-audit.js';

const spool = 'a'.repeat(32);
const otherSpool = 'b'.repeat(32);
const organisations = new Set(['acme', 'globex']);
const logger = createLogger({ level: 'silent' });

interface Decided {
  readonly from?: string;
  readonly sub?: string;
  readonly action?: string;
  readonly resource?: string;
  readonly owner?: string;
  readonly allowed?: boolean;
  readonly at?: number;
}

function recordOf({ from = 'acme', sub = 'ann', at = 1_000, ...decision }: Decided = {}): string {
  const { action = 'read', resource = '/runs/1', owner = from, allowed = true } = decision;
  const outcome = { allowed, code: allowed ? 'allowed' : 'no_matching_allow', reason: 'so', rules: ['r1'], epoch: 3 };
  return JSON.stringify({
    at,
    point: 'gateway',
    subject: { issuer: 'https://i', sub, organisation: from, roles: ['viewer'], attributes: { team: '***' } },
    decisions: [{ action, resource, owner, ...outcome }],
  });
}

export function auditContract(name: string, open: () => Promise<Database>): void {
  describe(`the decision log on ${name}`, () => {
    let database: Database;
    let store: SqlAuditStore;
    let writer: AuditWriter;

    beforeEach(async () => {
      database = await open();
      await database.migrate(auditMigrations);
      for (const table of ['audit_blocks', 'audit_chains', 'audit_spools'])
        await database.execute(sql`delete from ${sql.table(table)}`);
      store = new SqlAuditStore(database);
      writer = writerOn(store);
    });
    afterEach(() => database.close());

    const writerOn = (on: SqlAuditStore) =>
      new AuditWriter({ store: on, isOrganisation: (organisation) => organisations.has(organisation) });
    const batch = (first: number, records: readonly string[], after = 0, spoolId = spool) => ({
      spoolId,
      after,
      records: records.map((json, i) => ({ sequence: first + i, json })),
    });
    const put = (first: number, decided: readonly Decided[], after = 0) =>
      writer.append(batch(first, decided.map(recordOf), after), 'gateway');
    const query = (asked: Partial<AuditQuery> = {}) =>
      queryAudit(store, {
        organisation: 'acme',
        limit: 0,
        pageToken: '',
        newestFirst: false,
        fromMs: 0,
        toMs: 0,
        sub: '',
        action: '',
        resource: '',
        deniedOnly: false,
        crossOrganisationOnly: false,
        ...asked,
      });
    const verify = (asked: Partial<VerifyQuestion> = {}) =>
      verifyAudit(store, { organisation: 'acme', fromPosition: 0, knownPosition: 0, knownHash: '', ...asked });
    const subs = async (asked: Partial<AuditQuery> = {}) =>
      (await query(asked)).entries.map(({ entry }) => entry.subject.sub);

    it('keeps every field, in order, and the chain holds', async () => {
      await put(1, [{ sub: 'ann' }, { sub: 'bob', allowed: false }]);
      await put(3, [{ sub: 'cy' }], 2);
      const { entries, nextPageToken } = await query();
      expect(entries.map(({ position, entry }) => [position, entry.subject.sub])).toEqual([[1, 'ann'], [2, 'bob'], [3, 'cy']]); // prettier-ignore
      expect(nextPageToken).toBe('');
      expect(entries[1]?.entry).toEqual({
        id: `${spool}.2.0`,
        atMs: 1_000,
        point: 'gateway',
        subject: {
          issuer: 'https://i',
          sub: 'bob',
          organisation: 'acme',
          roles: ['viewer'],
          attributesJson: '{"team":"***"}',
        },
        action: 'read',
        resource: '/runs/1',
        owner: 'acme',
        contextJson: '{}',
        allowed: false,
        code: 'no_matching_allow',
        reason: 'so',
        rules: ['r1'],
        epoch: 3,
        grantId: '',
        decisionId: `${spool}.2.0`,
        cached: false,
        count: 1,
      });
      expect(await verify()).toMatchObject({ verified: 3, nextPosition: 0, position: 3, problem: undefined });
      expect((await verify()).hash).toBe(entries[2]?.hash);
    });

    it('gives both sides of a call across organisations their entry, and a name that is no organisation no chain', async () => {
      await put(1, [
        { from: 'globex', owner: 'acme' },
        { from: 'acme', owner: 'nobody' },
        { from: 'gone', owner: 'gone' },
      ]);
      expect((await query()).entries.map(({ entry }) => entry.id)).toEqual([`${spool}.1.0`, `${spool}.2.0`]);
      expect((await query({ organisation: 'globex' })).entries.map(({ entry }) => entry.id)).toEqual([`${spool}.1.0`]);
      expect(await store.organisations()).toEqual([unknownOrganisation, 'acme', 'globex']);
      for (const organisation of ['acme', 'globex', unknownOrganisation])
        expect((await verify({ organisation })).problem).toBeUndefined();
    });

    it('takes nothing twice, whatever is sent again', async () => {
      expect(await put(1, [{ sub: 'a' }, { sub: 'b' }])).toBe(2);
      expect(await put(1, [{ sub: 'a' }, { sub: 'b' }])).toBe(2);
      expect(await put(2, [{ sub: 'b' }, { sub: 'c' }], 1)).toBe(3);
      const again = [put(3, [{ sub: 'c' }, { sub: 'd' }], 2), put(3, [{ sub: 'c' }, { sub: 'd' }], 2)];
      expect(await Promise.all(again)).toEqual([4, 4]);
      expect(await writer.append(batch(1, [recordOf({ sub: 'e' })], 0, otherSpool), 'gateway')).toBe(1);
      expect(await subs()).toEqual(['a', 'b', 'c', 'd', 'e']);
    });

    it('refuses what comes before its time, and says what it has', async () => {
      await put(1, [{ sub: 'a' }]);
      await expect(put(3, [{ sub: 'c' }], 2)).rejects.toMatchObject({ code: 'conflict', details: { accepted: 1 } });
      await put(2, [{ sub: 'b' }], 1);
      expect(await put(3, [{ sub: 'c' }], 2)).toBe(3);
      expect(await subs()).toEqual(['a', 'b', 'c']);
    });

    it('refuses a batch of which the other half was refused for nobody else', async () => {
      const outcomes = await Promise.allSettled([
        put(1, [{ sub: 'a' }]),
        writer.append(batch(9, [recordOf()], 8, otherSpool), 'gateway'),
        put(2, [{ sub: 'b' }], 1),
      ]);
      expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
      expect(await subs()).toEqual(['a', 'b']);
    });

    it('has one order of entries also when two instances write at once', async () => {
      const second = writerOn(new SqlAuditStore(database));
      const spools = Array.from({ length: 8 }, (_, i) => String(i).repeat(32));
      await Promise.all(
        spools.map((spoolId, i) => {
          const records = Array.from({ length: 20 }, () => recordOf({ from: 'globex', owner: 'acme' }));
          return (i % 2 === 0 ? writer : second).append(batch(1, records, 0, spoolId), 'gateway');
        }),
      );
      for (const organisation of ['acme', 'globex'])
        expect(await verify({ organisation })).toMatchObject({ verified: 160, position: 160, problem: undefined });
    });

    it('chains a record that cannot be read as such, and goes on', async () => {
      const unreadable = ['{', '[]', '{"at":-1}', recordOf().replace('"allowed":true', '"allowed":"yes"')];
      await writer.append(batch(1, [...unreadable, recordOf({ sub: 'ann' })]), 'gateway');
      expect(await subs()).toEqual(['ann']);
      const { entries } = await query({ organisation: unknownOrganisation });
      expect(entries.map(({ entry }) => entry.code)).toEqual(unreadable.map(() => 'unreadable_record'));
    });

    it('lets a service speak for itself alone, and a sidecar for what it guards', async () => {
      await writer.append(batch(1, [recordOf()]), 'worker');
      await writer.append(batch(2, [recordOf()]), 'sidecar');
      expect((await query()).entries.map(({ entry }) => entry.point)).toEqual(['worker', 'gateway']);
    });

    it.each([
      ['no spool id', batch(1, [recordOf()], 0, '../../etc')],
      ['no records', batch(1, [])],
      ['too many records', batch(1, Array.from({ length: 1_001 }, () => recordOf()))],
      ['sequences that do not rise', { spoolId: spool, after: 0, records: [{ sequence: 2, json: recordOf() }, { sequence: 2, json: recordOf() }] }],
      ['a sequence of 0', batch(0, [recordOf()])],
    ])('refuses a batch with %s', async (_what, wrong) => {
      await expect(writer.append(wrong, 'gateway')).rejects.toMatchObject({ code: 'invalid_argument' });
      expect(await store.organisations()).toEqual([]);
    }); // prettier-ignore

    describe('verify names the place when', () => {
      beforeEach(async () => {
        await put(1, [{ sub: 'a' }, { sub: 'b' }, { sub: 'c' }]);
        await put(4, [{ sub: 'd' }, { sub: 'e' }], 3);
        await put(6, [{ sub: 'f' }], 5);
      });
      /** Changes the stored content of the row that begins at the position. */
      const tamper = async (first: number, change: (content: Buffer) => Uint8Array) => {
        const [block] = await store.blocks({ organisation: 'acme', from: first, newestFirst: false, limit: 1 });
        const content = change(Buffer.from(block!.content));
        await database.execute(sql`update audit_blocks set content = ${content}
          where organisation = 'acme' and first_position = ${first}`);
      };
      const changed = (from: string, to: string) => (content: Buffer) => {
        const at = content.indexOf(from);
        content.write(to, at);
        return content;
      };

      const cases: readonly [string, () => Promise<unknown>, number][] = [
        ['a subject was changed', () => tamper(1, changed('\x01b\0', '\x01x\0')), 2],
        ['a denial was turned into a permission', () => tamper(4, changed('allowed', 'AllowEd')), 4],
        ['a row is gone', () => database.execute(sql`delete from audit_blocks where first_position = 4`), 4],
        ['the newest row is gone', () => database.execute(sql`delete from audit_blocks where first_position = 6`), 6],
        ['the oldest row is gone', () => database.execute(sql`delete from audit_blocks where first_position = 1`), 1],
        ['the end of a row is gone', () => tamper(4, (content) => content.subarray(0, content.length / 2)), 4],
        ['a row was cut within an entry', () => tamper(4, (content) => content.subarray(0, content.length - 1)), 4],
        [
          'two entries have changed places',
          () => tamper(4, (content) => Buffer.concat([content.subarray(content.length / 2), content.subarray(0, content.length / 2)])), // prettier-ignore
          4,
        ],
        [
          'the chain is said to begin later',
          () => database.execute(sql`update audit_chains set first_position = 4 where organisation = 'acme'`),
          4,
        ],
        [
          'the chain is said to end otherwise',
          () => database.execute(sql`update audit_chains set hash = ${new Uint8Array(32)} where organisation = 'acme'`),
          6,
        ],
        [
          'times were changed so that a search misses it',
          () => database.execute(sql`update audit_blocks set from_at = 1, to_at = 1 where first_position = 4`),
          4,
        ],
        [
          'a row was moved from another organisation',
          async () => {
            await writer.append(batch(1, [recordOf({ from: 'globex' })], 0, otherSpool), 'gateway');
            await database.execute(sql`delete from audit_blocks where organisation = 'acme' and first_position = 1`);
            await database.execute(sql`update audit_blocks set organisation = 'acme' where organisation = 'globex'`);
          },
          1,
        ],
      ];
      it.each(cases)('%s', async (_what, act, position) => {
        expect((await verify()).problem).toBeUndefined();
        await act();
        const { problem, nextPosition } = await verify();
        expect(problem?.position).toBe(position);
        expect(nextPosition).toBe(0);
      });

      it('all of it was written anew, and the caller has kept a hash', async () => {
        const { position, hash } = await verify();
        await database.execute(sql`delete from audit_blocks`);
        await database.execute(sql`delete from audit_chains`);
        await database.execute(sql`delete from audit_spools`);
        const known = { knownPosition: position, knownHash: hash };
        expect((await verify(known)).problem?.position).toBe(6);
        await put(1, [
          { sub: 'a' },
          { sub: 'x' },
          { sub: 'c' },
          { sub: 'd' },
          { sub: 'e' },
          { sub: 'f' },
          { sub: 'g' },
        ]);
        expect((await verify()).problem).toBeUndefined();
        expect((await verify(known)).problem).toMatchObject({ position: 6, problem: expect.stringContaining('written anew') }); // prettier-ignore
      });

      it('its end was taken away, row and all, and the caller has kept a hash', async () => {
        const { position, hash } = await verify();
        await database.execute(sql`delete from audit_blocks where first_position = 6`);
        const [block] = await store.blocks({ organisation: 'acme', from: 4, newestFirst: false, limit: 1 });
        await database.execute(
          sql`update audit_chains set position = 5, hash = ${block!.hash} where organisation = 'acme'`,
        );
        expect((await verify()).problem).toBeUndefined();
        const { problem } = await verify({ knownPosition: position, knownHash: hash });
        expect(problem).toMatchObject({ position: 6, problem: expect.stringContaining('ends at 5') as unknown });
      });

      it('not when nothing was touched, from any place that an earlier answer named', async () => {
        const { position, hash } = await verify();
        await put(7, [{ sub: 'g' }], 6);
        expect(await verify({ fromPosition: position + 1 })).toMatchObject({
          verified: 1,
          position: 7,
          problem: undefined,
        });
        expect(await verify({ knownPosition: position, knownHash: hash })).toMatchObject({
          verified: 7,
          problem: undefined,
        });
      });
    });

    describe('pages', () => {
      beforeEach(async () => {
        for (let i = 0; i < 5; i++)
          await put(
            i * 3 + 1,
            [{ sub: `${i}a`, at: 1_000 + i }, { sub: `${i}b`, allowed: false, at: 1_000 + i }, { sub: `${i}c`, from: 'globex', owner: 'acme', action: 'infer', resource: '/models/acme/x', at: 1_000 + i }],
            i * 3,
          ); // prettier-ignore
      });
      const all = async (asked: Partial<AuditQuery>) => {
        const found: string[] = [];
        let pageToken = '';
        do {
          const page = await query({ ...asked, pageToken });
          found.push(...page.entries.map(({ entry }) => entry.subject.sub));
          pageToken = page.nextPageToken;
        } while (pageToken !== '');
        return found;
      };

      it('tell everything once, in both directions, whatever their size', async () => {
        const every = await subs();
        expect(every).toHaveLength(15);
        for (const limit of [1, 2, 4, 7, 15]) {
          expect(await all({ limit })).toEqual(every);
          expect(await all({ limit, newestFirst: true })).toEqual(every.toReversed());
        }
      });

      it('find what is asked for', async () => {
        expect(await all({ deniedOnly: true, limit: 2 })).toEqual(['0b', '1b', '2b', '3b', '4b']);
        expect(await all({ crossOrganisationOnly: true, limit: 2 })).toEqual(['0c', '1c', '2c', '3c', '4c']);
        expect(await all({ resource: '/models/acme/', action: 'infer', limit: 3 })).toHaveLength(5);
        expect(await all({ resource: '/models/acme' })).toEqual([]);
        expect(await all({ sub: '3a' })).toEqual(['3a']);
        expect(await all({ fromMs: 1_001, toMs: 1_003 })).toEqual(['1a', '1b', '1c', '2a', '2b', '2c']);
      });

      it('stay where they were while entries come, and refuse a token of another query', async () => {
        const first = await query({ limit: 2, newestFirst: true });
        await put(16, [{ sub: 'new' }], 15);
        const next = await query({ limit: 2, newestFirst: true, pageToken: first.nextPageToken });
        expect(next.entries.map(({ position }) => position)).toEqual([13, 12]);
        for (const pageToken of [first.nextPageToken, 'x', 'a1;'])
          await expect(query({ pageToken })).rejects.toMatchObject({ code: 'invalid_argument' });
        await expect(query({ limit: 501 })).rejects.toMatchObject({ code: 'invalid_argument' });
      });
    });

    it('forgets what is old from the old end, and what stays can still be verified', async () => {
      await put(1, [{ sub: 'a' }, { sub: 'b' }]);
      await put(3, [{ sub: 'c' }], 2);
      await database.execute(sql`update audit_blocks set written_at = 5 where first_position = 1`);
      const { hash } = (await query({ limit: 1 })).entries[0]!;
      expect(await removeOldAudit({ store, keepMs: 60_000, logger })).toBe(1);
      expect(await subs()).toEqual(['c']);
      expect(await verify()).toMatchObject({ firstPosition: 3, verified: 1, position: 3, problem: undefined });
      expect((await verify({ knownPosition: 1, knownHash: hash })).problem?.problem).toContain('retention');
      expect(await removeOldAudit({ store, keepMs: 60_000, logger })).toBe(0);
      await database.execute(sql`update audit_blocks set written_at = 5`);
      expect(await removeOldAudit({ store, keepMs: 60_000, logger })).toBe(1);
      expect((await verify()).problem).toBeUndefined();
      await put(4, [{ sub: 'd' }], 3);
      expect(await verify()).toMatchObject({ verified: 1, position: 4, problem: undefined });
    });
  });
}
