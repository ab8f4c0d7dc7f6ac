/** What reaches an enforcement point and what it takes of it: deltas, revocations, ends, and everything that must be refused and told. */
import { join } from 'node:path';
import { readFile } from 'node:fs/promises';
import { addOrganisationKey, signPartnerGrant } from '@cogmesh/identity';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  applyChange,
  documentChange,
  FileBundleStore,
  PolicyReplica,
  type BundleAnswer,
  type BundleQuestion,
  type BundleStore,
} from '../src/index.js';
import { PublishedEverything } from './distribution-world.js';
import { codeOf, makeWorld, silent, type World } from './world.js';

let world: World;
let published: PublishedEverything;
let monotonicMs = 1_000;
let nowMs = Date.now();
const started: PolicyReplica[] = [];

const rules = (count: number, first = 0) =>
  Array.from({ length: count }, (_, i) => ({
    id: `p${String(first + i)}`,
    permissions: ['read'],
    resources: [`/runs/${String(first + i)}`],
    effect: 'allow',
  }));
const setOf = (policies: unknown[], grants: string[] = []) => ({ policies, roles: {}, grants });

beforeEach(async () => {
  world = await makeWorld();
  published = new PublishedEverything(world.identities.policy);
  published.put('acme', setOf(rules(20)));
  monotonicMs = 1_000;
  nowMs = Date.now();
});
afterEach(async () => {
  await Promise.all(started.splice(0).map((replica) => replica.stop()));
  await world.remove();
});

type Fetch = (question: BundleQuestion) => Promise<BundleAnswer>;

async function replicaOf(
  fetch: Fetch = published.answer,
  dir = 'policies',
  store: BundleStore = new FileBundleStore(join(world.dir, dir)),
): Promise<PolicyReplica> {
  const replica = new PolicyReplica({
    fetch,
    verifier: world.identities.scheduler.verifier,
    store,
    logger: silent,
    pollIntervalMs: 3_600_000,
    maxStalenessMs: 5_000,
    monotonicNow: () => monotonicMs,
    now: () => nowMs,
  });
  started.push(replica);
  await replica.start();
  return replica;
}

const may = (replica: PolicyReplica, id: number): boolean =>
  replica.engine.decide({
    subject: { issuer: 'i', sub: 's', organisation: 'acme', roles: [], attributes: {} },
    action: 'read',
    resource: { type: 'run', id: String(id) },
    nowMs,
  }).allowed;

describe('a delta', () => {
  it('is applied to what is held, kept on disk on top of it, and read back from there', async () => {
    const replica = await replicaOf();
    published.put('acme', setOf([...rules(5), ...rules(10, 100), ...rules(8, 12)]));
    await replica.poke();
    expect([may(replica, 4), may(replica, 5), may(replica, 100), may(replica, 19)]).toEqual([true, false, true, true]);
    published.put('acme', setOf(rules(3)));
    await replica.poke();
    expect(replica.readiness().ready).toBe(true);
    await replica.stop();
    const texts = await readFile(join(world.dir, 'policies', 'bundles', 'acme.jws'), 'utf8');
    expect(texts.split('\n')).toHaveLength(3);
    const again = await replicaOf();
    expect(published.questions.at(-1)?.knownEpochs).toEqual({ acme: 3n });
    expect([may(again, 2), may(again, 4)]).toEqual([true, false]);
  });

  it('is in force while the disk takes its time, policies stay fresh, and all of it is kept in the end', async () => {
    const files = new FileBundleStore(join(world.dir, 'slow'));
    const disk = Promise.withResolvers<void>();
    let isSlow = false;
    const store: BundleStore = {
      load: () => files.load(),
      save: async (change) => {
        if (isSlow) await disk.promise;
        await files.save(change);
      },
    };
    const replica = await replicaOf(published.answer, 'slow', store);
    isSlow = true;
    for (let round = 1; round <= 3; round++) {
      published.put('acme', setOf(rules(5, 5 * round)));
      monotonicMs += 4_000;
      await replica.poke();
      expect([may(replica, 5 * round), replica.readiness().ready]).toEqual([true, true]);
    }
    disk.resolve();
    await replica.stop();
    const again = await replicaOf(async () => Promise.reject(new Error('away')), 'slow');
    expect(may(again, 15)).toBe(true);
  });

  it('gives way to a whole bundle when many lie on top of one', async () => {
    const replica = await replicaOf();
    for (let i = 0; i < 18; i++) {
      published.put('acme', setOf(rules(3, i)));
      await replica.poke();
      expect(may(replica, i)).toBe(true);
    }
    expect(published.questions.some(({ deltas }) => !deltas)).toBe(true);
  });

  it('of another base is refused as out of order, and what was held stays', async () => {
    let spoil = false;
    const replica = await replicaOf(async (question) => {
      const answer = await published.answer(question);
      if (!spoil) return answer;
      const delta = await published.answer({ ...question, knownEpochs: { acme: 2n } });
      return { ...answer, deltasJws: delta.deltasJws ?? [] };
    });
    published.put('acme', setOf(rules(4)));
    published.put('acme', setOf(rules(5)));
    spoil = true;
    await replica.poke();
    expect(replica.engine.epochOf('acme')).toBe(1);
    expect(replica.refusals().get('out_of_order')).toBe(1);
    spoil = false;
    await replica.poke();
    expect(replica.engine.epochOf('acme')).toBe(3);
    expect(published.questions.at(-1)?.refused).toMatchObject([{ reason: 'out_of_order', count: 1 }]);
  });
});

describe('the change of a document', () => {
  const items = fc.array(
    fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.record({ id: fc.nat(5), b: fc.nat(2), a: fc.nat(2) })),
  );
  const documents = fc.array(fc.dictionary(fc.constantFrom('b', 'a', 'c'), fc.oneof(items, fc.jsonValue())), {
    minLength: 2,
    maxLength: 5,
  });
  const copyOf = (value: unknown) => JSON.parse(JSON.stringify(value)) as unknown;

  it('leads from each document to the next, whoever holds it, and from no other', () => {
    fc.assert(
      fc.property(documents, ([first, ...others]) => {
        let [sent, held]: unknown[] = [first, copyOf(first)];
        for (const next of others) {
          const change = documentChange(sent, next);
          if (change === undefined) throw new Error('there is a change of every object');
          held = applyChange(held, copyOf(change) as typeof change);
          expect(held).toEqual(copyOf(next));
          expect(() => applyChange({ ...(held as object), other: 1 }, { ...change, lists: {}, members: {} })).toThrow();
          sent = next;
        }
      }),
    );
  });
});

describe('an update is refused and told', () => {
  const flip = (text: string) => text.slice(0, -10) + (text.at(-10) === 'A' ? 'B' : 'A') + text.slice(-9);
  it.each<[string, string, (answer: BundleAnswer) => BundleAnswer | Promise<BundleAnswer>]>([
    ['cut short', 'truncated', (a) => ({ ...a, bundlesJws: a.bundlesJws.map((jws) => jws.slice(0, -20)) })],
    [
      'cut inside',
      'truncated',
      (a) => ({ ...a, bundlesJws: a.bundlesJws.map((jws) => jws.replace(/\.[^.]{40}/, '.')) }),
    ],
    ['signed otherwise', 'bad_signature', (a) => ({ ...a, bundlesJws: a.bundlesJws.map(flip) })],
    [
      "another organisation's",
      'wrong_organisation',
      async (a) => ({ ...a, bundlesJws: [await signed({ organisation: 'globex', epoch: 2 })] }),
    ],
    ['of a later epoch', 'out_of_order', async (a) => ({ ...a, bundlesJws: [await signed({ epoch: 9 })] })],
    ['of an epoch before', 'rollback', async (a) => ({ ...a, bundlesJws: [await signed({ epoch: 0 })] })],
    [
      'over',
      'expired',
      async (a) => ({ ...a, bundlesJws: [await signed({ epoch: 2, expiresAtMs: Date.now() - 60_000 })] }),
    ],
    [
      'not valid yet',
      'not_yet_valid',
      async (a) => ({ ...a, bundlesJws: [await signed({ epoch: 2, notBeforeMs: Date.now() + 600_000 })] }),
    ],
  ])('that is %s', async (_what, reason, spoil) => {
    let bad = false;
    const replica = await replicaOf(async (question) => {
      const answer = await published.answer({ ...question, deltas: false });
      return bad ? spoil(answer) : answer;
    });
    published.put('acme', setOf(rules(2)));
    published.put('acme', setOf(rules(2)));
    bad = true;
    await replica.poke();
    expect([...replica.refusals().keys()]).toEqual([reason]);
    expect(replica.engine.epochOf('acme')).toBe(1);
    monotonicMs += 5_001;
    expect(await codeOf(() => replica.assertFresh())).toBe('stale_policy');
    bad = false;
    await replica.poke();
    expect(replica.engine.epochOf('acme')).toBe(3);
    expect(published.questions.at(-1)?.refused).toMatchObject([{ reason }]);
    await replica.poke();
    expect(published.questions.at(-1)?.refused).toEqual([]);
  });

  it('although another in the same answer is good', async () => {
    published.put('globex', setOf([]));
    const replica = await replicaOf(async (question) => {
      const answer = await published.answer(question);
      return { ...answer, bundlesJws: answer.bundlesJws.map((jws, i) => (i === 0 ? jws.slice(0, -9) : jws)) };
    });
    expect(replica.engine.organisations()).toEqual(['globex']);
    expect(replica.readiness().ready).toBe(false);
  });

  const signed = (parts: { organisation?: string; epoch: number; expiresAtMs?: number; notBeforeMs?: number }) =>
    world.identities.policy.signBundle({ organisation: 'acme', policies: setOf([]), ...parts });
});

describe('a bundle that ends', () => {
  it('is asked for anew before, and without a new signature everything is stale', async () => {
    published.expiresAtMs = nowMs + 1_000_000;
    const replica = await replicaOf();
    nowMs += 700_000;
    await replica.poke();
    expect(published.questions.at(-1)?.knownEpochs).toEqual({ acme: 1n });
    nowMs += 100_000;
    await replica.poke();
    expect(published.questions.at(-1)?.knownEpochs).toEqual({});
    nowMs += 200_001;
    monotonicMs += 5_001;
    await replica.poke();
    expect(replica.readiness()).toMatchObject({ ready: false, detail: expect.stringContaining('expired') as string });
    published.expiresAtMs = nowMs + 1_000_000;
    await replica.poke();
    expect(replica.readiness().ready).toBe(true);
  });
});

const who = { issuer: 'https://i', sub: 'ann', tokenId: 't1', keyId: 'k1' };

describe('a revocation', () => {
  it.each([
    ['token', { kind: 'token', value: 't1' }],
    ['subject', { kind: 'subject', value: 'ann' }],
    ['issuer', { kind: 'issuer', value: '' }],
    ['key', { kind: 'key', value: 'k1' }],
  ] as const)('of a %s holds until it is lifted, and for nobody else', async (kind, thing) => {
    const replica = await replicaOf();
    published.revoke(thing);
    await replica.poke();
    expect(replica.revocations.find(who, nowMs)?.kind).toBe(kind);
    expect(replica.revocations.find({ ...who, issuer: 'https://other' }, nowMs)).toBeUndefined();
    if (kind !== 'issuer') {
      const other = { issuer: who.issuer, sub: 'bob', tokenId: 't2', keyId: 'k2' };
      expect(replica.revocations.find(other, nowMs)).toBeUndefined();
      expect(replica.revocations.find({ ...other, tokenId: '', keyId: '' }, nowMs)?.kind).toBe(
        kind === 'key' ? 'key' : undefined,
      );
    }
    published.revoke({ ...thing, lifted: true });
    await replica.poke();
    expect(replica.revocations.find(who, nowMs)).toBeUndefined();
  });

  it('ends at its own time', async () => {
    published.revoke({ value: 'ann', untilMs: nowMs + 10 });
    const replica = await replicaOf();
    expect(replica.revocations.find(who, nowMs + 9)).toBeDefined();
    expect(replica.revocations.find(who, nowMs + 10)).toBeUndefined();
  });

  it.each([
    ['the grant', (keyId: string) => ({ kind: 'grant', issuer: '', value: 'g1', keyId }) as const],
    ['the key that signed it', (keyId: string) => ({ kind: 'key', issuer: 'org:acme', value: keyId }) as const],
  ])('of %s takes the right away in the policies of both', async (_what, thing) => {
    await addOrganisationKey(world.keysDir, 'globex');
    const grant = await signPartnerGrant(world.keysDir, {
      id: 'g1',
      grantor: 'acme',
      grantee: 'globex',
      actions: ['infer'],
      resources: ['/models/acme/*'],
      expiresAtMs: nowMs + 1_000_000,
    });
    const { kid } = JSON.parse(Buffer.from(grant.split('.')[0] ?? '', 'base64url').toString()) as { kid: string };
    const all = [{ id: 'all', permissions: ['*'], resources: ['/**'], effect: 'allow' }];
    published.put('acme', setOf(all, [grant]));
    published.put('globex', setOf(all));
    const replica = await replicaOf();
    const decision = () =>
      replica.engine.decide({
        subject: { issuer: 'i', sub: 's', organisation: 'globex', roles: [], attributes: {} },
        action: 'infer',
        resource: { type: 'model', id: 'acme/m' },
        nowMs,
      }).code;
    expect(decision()).toBe('allowed');
    const { keyId: _, ...change } = { keyId: '', ...thing(kid) };
    published.revoke(change);
    await replica.poke();
    expect(decision()).toBe('no_grant');
    published.revoke({ ...change, lifted: true });
    await replica.poke();
    expect(decision()).toBe('allowed');
  });

  it('list that went back is refused across a restart too', async () => {
    published.revoke({ value: 'ann' });
    await (await replicaOf()).stop();
    published.changes.length = 0;
    const replica = await replicaOf();
    expect(replica.readiness()).toMatchObject({ ready: false, detail: expect.stringContaining('went back') as string });
    expect(replica.refusals().get('rollback')).toBe(1);
  });

  it('that is named and not sent leaves everything stale', async () => {
    published.revoke({ value: 'ann' });
    const replica = await replicaOf(async (question) => ({
      ...(await published.answer(question)),
      revocationsJws: '',
    }));
    expect(replica.readiness().ready).toBe(false);
  });
});

/** What a network and a machine may do to one question. */
const fate = fc.oneof(
  { weight: 4, arbitrary: fc.constant('answered' as const) },
  { weight: 2, arbitrary: fc.constant('lost' as const) },
  { weight: 1, arbitrary: fc.constant('earlier answer again' as const) },
  { weight: 1, arbitrary: fc.constant('old list again' as const) },
  { weight: 1, arbitrary: fc.constant('list withheld' as const) },
  { weight: 1, arbitrary: fc.constant('restart' as const) },
  { weight: 2, arbitrary: fc.constant('revoke' as const) },
);

describe('whatever partition, restart, duplicates and reordering do', () => {
  it('nobody who is revoked passes for longer than the staleness bound', async () => {
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fate, fc.integer({ min: 1, max: 3_000 })), { maxLength: 25 }),
        async (steps) => {
          const service = new PublishedEverything(world.identities.policy);
          service.put('acme', setOf([]));
          const dir = `run-${String((runs += 1))}`;
          const answers: BundleAnswer[] = [];
          let mode: string = 'answered';
          const fetch: Fetch = async (question) => {
            if (mode === 'lost') throw new Error('lost');
            const answer = await service.answer(question);
            answers.push(answer);
            if (mode === 'earlier answer again') return answers[0] as BundleAnswer;
            if (mode === 'old list again') return { ...answer, revocationsJws: answers[0]?.revocationsJws ?? '' };
            return mode === 'list withheld' ? { ...answer, revocationsJws: '' } : answer;
          };
          let replica = await replicaOf(fetch, dir);
          const revokedAt = new Map<string, number>();
          for (const [what, ms] of steps) {
            monotonicMs += ms;
            mode = what;
            if (what === 'revoke') {
              const sub = `s${String(revokedAt.size)}`;
              service.revoke({ value: sub });
              revokedAt.set(sub, monotonicMs);
            } else if (what === 'restart') {
              await replica.stop();
              replica = await replicaOf(fetch, dir);
            } else await replica.poke();
            const fresh = replica.readiness().ready;
            for (const [sub, at] of revokedAt) {
              const passes = fresh && replica.revocations.find({ ...who, sub, tokenId: '' }, nowMs) === undefined;
              if (passes) expect(monotonicMs - at).toBeLessThanOrEqual(5_000);
            }
          }
          await replica.stop();
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('a call that must see a write', () => {
  it('waits until it is here, and fails closed when it does not come', async () => {
    const replica = await replicaOf();
    const epoch = published.put('acme', setOf(rules(1)));
    await replica.atLeast({ epochs: { acme: epoch }, revocations: 0 });
    expect(replica.engine.epochOf('acme')).toBe(epoch);
    const late = await codeOf(() => replica.atLeast({ epochs: { acme: epoch + 1 }, revocations: 0 }));
    expect(late).toBe('stale_policy');
  });
});
