import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileBundleStore, PolicyReplica, type BundleAnswer, type BundleQuestion } from '../src/index.js';
import { allowAll, codeOf, makeWorld, PublishedPolicies, silent, type World } from './world.js';

let world: World;
let published: PublishedPolicies;
let monotonicMs = 0;
const started: PolicyReplica[] = [];

beforeEach(async () => {
  world = await makeWorld();
  published = new PublishedPolicies(world.identities.policy);
  published.put('acme', allowAll);
  monotonicMs = 1_000;
});
afterEach(async () => {
  await Promise.all(started.splice(0).map((replica) => replica.stop()));
  await world.remove();
});

/** A replica that asks only when poked. */
async function replicaOf(
  fetch: (question: BundleQuestion) => Promise<BundleAnswer> = published.answer,
): Promise<PolicyReplica> {
  const replica = new PolicyReplica({
    fetch,
    verifier: world.identities.scheduler.verifier,
    store: new FileBundleStore(join(world.dir, 'policies')),
    logger: silent,
    pollIntervalMs: 3_600_000,
    maxStalenessMs: 5_000,
    monotonicNow: () => monotonicMs,
  });
  started.push(replica);
  await replica.start();
  return replica;
}

const questionWith = (nonce: string): BundleQuestion => ({
  knownEpochs: {},
  nonce,
  knownRevocations: 0n,
  waitMs: 0,
  deltas: true,
  refused: [],
});

const isFresh = (replica: PolicyReplica) => replica.readiness().ready;

describe('a replica is stale', () => {
  it('before the first heartbeat, although bundles are on disk', async () => {
    await (await replicaOf()).stop();
    const replica = await replicaOf(() => Promise.reject(new Error('nobody listens')));
    expect(replica.engine.epochOf('acme')).toBe(1);
    expect(await codeOf(() => replica.assertFresh())).toBe('stale_policy');
    expect(replica.readiness().detail).toMatch(/nobody listens/);
  });

  it('after the limit, measured from the question, and fresh again after the next answer', async () => {
    let down = false;
    const replica = await replicaOf((question) =>
      down ? Promise.reject(new Error('down')) : published.answer(question),
    );
    down = true;
    monotonicMs += 5_000;
    await replica.poke();
    expect(await codeOf(() => replica.assertFresh())).toBe('accepted');
    monotonicMs += 1;
    expect(await codeOf(() => replica.assertFresh())).toBe('stale_policy');
    down = false;
    await replica.poke();
    expect(isFresh(replica)).toBe(true);
  });

  it.each<[string, (honest: BundleAnswer) => BundleAnswer]>([
    ['a truncated bundle', (honest) => ({ ...honest, bundlesJws: honest.bundlesJws.map((jws) => jws.slice(0, -20)) })],
    [
      'half a payload',
      (honest) => ({ ...honest, bundlesJws: honest.bundlesJws.map((jws) => jws.replace(/\.[^.]{40}/, '.')) }),
    ],
    ['no bundle for an epoch it names', (honest) => ({ ...honest, bundlesJws: [] })],
    ['garbage for a heartbeat', (honest) => ({ ...honest, heartbeatJws: 'a.b.c' })],
    ['a bundle for a heartbeat', (honest) => ({ ...honest, heartbeatJws: honest.bundlesJws[0] ?? '' })],
  ])('when the answer holds %s', async (_what, spoil) => {
    const replica = await replicaOf(async (question) => spoil(await published.answer(question)));
    expect(isFresh(replica)).toBe(false);
    expect(replica.engine.organisations()).toEqual([]);
  });

  it('when an old answer is played again', async () => {
    const recorded = await published.answer(questionWith('a'.repeat(32)));
    const replica = await replicaOf(() => Promise.resolve(recorded));
    expect(replica.readiness()).toMatchObject({
      ready: false,
      detail: expect.stringMatching(/another question/) as string,
    });
  });

  it('when a service that is not policy signed', async () => {
    const replica = await replicaOf(async (question) => {
      const honest = await published.answer(question);
      return { ...honest, heartbeatJws: await world.identities.gateway.serviceToken('scheduler') };
    });
    expect(isFresh(replica)).toBe(false);
  });
});

describe('epochs never go back', () => {
  it('while running: the older answer is refused and the newer policies stay', async () => {
    published.put('acme', allowAll, 7);
    const replica = await replicaOf();
    published.put('acme', { policies: [] }, 6);
    monotonicMs += 4_000;
    await replica.poke();
    expect(replica.engine.epochOf('acme')).toBe(7);
    monotonicMs += 2_000;
    expect(replica.readiness()).toMatchObject({
      ready: false,
      detail: expect.stringMatching(/went back to epoch 6/) as string,
    });
  });

  it('across a restart, even when the stored bundle is gone', async () => {
    published.put('acme', allowAll, 7);
    await (await replicaOf()).stop();
    await writeFile(join(world.dir, 'policies', 'bundles', 'acme.jws'), 'damaged');
    published.put('acme', allowAll, 6);
    expect(isFresh(await replicaOf())).toBe(false);
    published.put('acme', allowAll, 7);
    expect(isFresh(await replicaOf())).toBe(true);
  });

  it('for an organisation that was removed and comes back', async () => {
    published.put('acme', allowAll, 7);
    const replica = await replicaOf();
    published.remove('acme');
    await replica.poke();
    expect(replica.engine.organisations()).toEqual([]);
    published.put('acme', allowAll, 3);
    monotonicMs += 6_000;
    await replica.poke();
    expect(isFresh(replica)).toBe(false);
  });
});

describe('a good answer', () => {
  it('is served, kept private on disk, and fetched only once', async () => {
    const sizes: number[] = [];
    const replica = await replicaOf(async (question) => {
      const answer = await published.answer(question);
      sizes.push(answer.bundlesJws.length);
      return answer;
    });
    await replica.poke();
    expect(sizes).toEqual([1, 0]);
    expect(isFresh(replica)).toBe(true);
    for (const file of ['epochs.json', 'bundles/acme.jws']) {
      expect((await stat(join(world.dir, 'policies', file))).mode & 0o777).toBe(0o600);
    }
    expect(JSON.parse(await readFile(join(world.dir, 'policies', 'epochs.json'), 'utf8'))).toEqual({ acme: 1 });
  });

  it('that has one organisation with a broken document denies that organisation only', async () => {
    published.put('broken', { policies: [{ permissions: ['read'], resources: ['/**'], policy: 'org_id ==' }] });
    const replica = await replicaOf();
    expect(isFresh(replica)).toBe(true);
    expect(replica.engine.organisations()).toEqual(['acme']);
    published.put('broken', allowAll);
    await replica.poke();
    expect(replica.engine.organisations()).toEqual(['acme', 'broken']);
  });

  it('that comes in parts is fetched to the end at once', async () => {
    for (const organisation of ['b', 'c', 'd']) published.put(organisation, allowAll);
    const replica = await replicaOf(async (question) => {
      const answer = await published.answer(question);
      return { ...answer, bundlesJws: answer.bundlesJws.slice(0, 1) };
    });
    expect(isFresh(replica)).toBe(true);
    expect(replica.engine.organisations()).toEqual(['acme', 'b', 'c', 'd']);
  });

  it('confirms what is held only when it is asked for after the question whether it does', async () => {
    let answers = true;
    const replica = await replicaOf((question) =>
      answers ? published.answer(question) : Promise.reject(new Error('down')),
    );
    monotonicMs += 10;
    published.put('acme', allowAll);
    expect(await replica.confirm()).toBe(true);
    expect(replica.engine.epochOf('acme')).toBe(2);
    answers = false;
    monotonicMs += 10;
    expect(await replica.confirm()).toBe(false);
    expect(isFresh(replica)).toBe(true);
  });

  it('a poke during a question asks once more', async () => {
    let asked = 0;
    let open: () => void = () => {};
    const gate = new Promise<void>((resolve) => (open = resolve));
    const replica = await replicaOf(async (question) => {
      asked += 1;
      if (asked === 2) await gate;
      return published.answer(question);
    });
    const pokes = [replica.poke(), replica.poke(), replica.poke()];
    published.put('acme', allowAll);
    open();
    await Promise.all(pokes);
    expect(asked).toBe(3);
    expect(replica.engine.epochOf('acme')).toBe(2);
  });
});
