/**
 * What was revoked is refused everywhere within the staleness bound, whatever happens meanwhile: load, hints that come twice and in the wrong
 * order, a service, the broker or the database that dies, a wire that is cut. Who is cut off from the policy service refuses everybody as
 * stale when the bound is over, and work that meets it goes back unstarted. How long it takes as a rule: `bench/policy`, case `revocation`.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { messageTo, openRabbit, type Exchange } from '@cogmesh/bus';
import { eventsV1 } from '@cogmesh/contracts';
import type { Cluster } from '@cogmesh/mesh';
import { createAgent, type RevokedThing } from '@cogmesh/sdk';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startTestCluster } from './src/cluster.js';
import { CutProxy } from './src/cut-proxy.js';
import { until } from './src/poll.js';
import { refusalOf } from './src/refusal.js';
import { Revoker, type Said, type Victim } from './src/revoker.js';
import { createWorld, type Organisation, type World } from './src/world.js';

const MAX_STALENESS_MS = 4_000;
const CALLERS = 8;
const PAUSE_MS = 5;
const MODEL = '/models/acme/ocr';
const policyEvents: Exchange = { name: 'policy.events', type: 'topic' };

/** Administrators revoke, readers read, and what acme granted globex is for globex's readers. */
const policiesOf = (organisation: Organisation) => ({
  roles: { admin: {}, reader: {}, operator: {} },
  policies: [
    {
      id: 'admins',
      policy: `org_id == '${organisation}' && role == 'admin'`,
      permissions: ['*'],
      resources: ['/**'],
    },
    { id: 'readers', policy: "role == 'reader'", permissions: ['read', 'list'], resources: ['/runs/**'] },
    {
      id: 'models',
      policy: `org_id in ['acme', 'globex'] && role == 'reader'`,
      permissions: ['infer'],
      resources: ['/models/**'],
    },
    {
      id: 'operators',
      policy: `org_id == '${organisation}' && role == 'operator'`,
      permissions: ['create', 'read', 'list', 'infer', 'serve'],
      resources: ['/runs/**', `/tools/${organisation}/**`],
    },
  ],
});

let world: World;
let cluster: Cluster;
let revoker: Revoker;
const cuttable = ['gateway', 'scheduler-sidecar', 'registry-sidecar'] as const;
const wires = new Map<string, CutProxy>();
const wireOf = (name: (typeof cuttable)[number]) => wires.get(name) as CutProxy;

beforeAll(async () => {
  world = await createWorld({ policiesOf });
  for (const name of cuttable) wires.set(name, await CutProxy.open());
  const environment = { COGMESH_POLICY_MAX_STALENESS_MS: `${MAX_STALENESS_MS}`, COGMESH_RATE_PER_SECOND: '100000' };
  cluster = await startTestCluster(world, environment, 1, (name, addressOf) => {
    const wire = wires.get(name);
    if (wire === undefined) return {};
    wire.target = addressOf('policy-sidecar');
    return { COGMESH_POLICY_ADDRESS: wire.address };
  });
  revoker = await Revoker.open(world, cluster);
});

afterAll(async () => {
  revoker?.close();
  await cluster?.stop();
  for (const wire of wires.values()) wire.close();
  await world?.remove();
});

afterEach(() => {
  for (const wire of wires.values()) wire.heal();
});

/** Calls of others at both doors, one after the other by each of `CALLERS`, until it is stopped; what they were told. */
function startLoad(): { stop(): Promise<ReadonlyMap<Said, number>> } {
  const told = new Map<Said, number>();
  let going = true;
  const caller = async (number: number) => {
    const somebody = await revoker.victim('acme', `somebody-${number}`);
    const ask = number % 2 === 0 ? () => revoker.askGateway(somebody) : () => revoker.askSidecar(somebody);
    while (going) {
      const said = await ask();
      told.set(said, (told.get(said) ?? 0) + 1);
    }
  };
  const callers = Array.from({ length: CALLERS }, (_, number) => caller(number));
  return {
    stop: async () => {
      going = false;
      await Promise.all(callers);
      return told;
    },
  };
}

/** From the moment the revocation was answered until the last question that a door still said yes to was asked, milliseconds. */
async function acceptedFor(
  ask: () => Promise<Said>,
  revoked: Promise<unknown>,
  refusals: readonly Said[],
): Promise<number> {
  const answered = revoked.then(() => performance.now());
  let lastYes = 0;
  for (;;) {
    const askedAt = performance.now();
    const said = await ask();
    if (said === 'accepted') lastYes = askedAt;
    else if (refusals.includes(said)) break;
    else expect(['unavailable', 'timeout'], said).toContain(said);
    await delay(PAUSE_MS);
  }
  return Math.max(0, lastYes - (await answered));
}

const issuerOf = ({ subject }: Victim) => subject.issuer;
interface Case {
  readonly kind: RevokedThing['kind'];
  /** Whose it is to revoke. */
  readonly owner: Organisation;
  readonly thingOf: (victim: Victim) => RevokedThing;
  /** What the victim asks for. Default: to be let in at all. */
  readonly resource?: string;
}

const globex = { owner: 'globex' } as const;
const cases: readonly Case[] = [
  { ...globex, kind: 'token', thingOf: (of) => ({ kind: 'token', issuer: issuerOf(of), value: of.subject.tokenId }) },
  { ...globex, kind: 'subject', thingOf: (of) => ({ kind: 'subject', issuer: issuerOf(of), value: of.subject.sub }) },
  { ...globex, kind: 'issuer', thingOf: (of) => ({ kind: 'issuer', issuer: issuerOf(of) }) },
  { ...globex, kind: 'key', thingOf: (of) => ({ kind: 'key', issuer: issuerOf(of), value: of.subject.keyId ?? '' }) },
  { owner: 'acme', kind: 'grant', thingOf: () => ({ kind: 'grant', value: 'grant-acme-globex' }), resource: MODEL },
];

describe('under load', () => {
  it.each(cases)(
    'a revoked $kind is refused at both doors within the bound',
    async ({ kind, owner, thingOf, resource }) => {
      const load = startLoad();
      for (let round = 0; round < 3; round += 1) {
        const victim = await revoker.victim('globex', `${kind}-${round}`);
        const asks = [() => revoker.askGateway(victim, resource), () => revoker.askSidecar(victim, resource)];
        for (const ask of asks) await until('the victim is let in', async () => (await ask()) === 'accepted');
        const thing = thingOf(victim);
        const revoked = revoker.revoke(owner, thing);
        const refusals = kind === 'grant' ? ['permission_denied'] : ['revoked'];
        const took = await Promise.all(asks.map((ask) => acceptedFor(ask, revoked, refusals)));
        expect(Math.max(...took)).toBeLessThanOrEqual(MAX_STALENESS_MS);
        await revoker.lift(owner, thing);
      }
      expect([...(await load.stop()).keys()]).toEqual(['accepted']);
    },
  );
});

/** A new victim at both doors, revoked as soon as the policy service can be told; until both refuse, within the bound. */
async function expectBound(name: string): Promise<void> {
  const victim = await revoker.victim('globex', name);
  const thing = { kind: 'subject', issuer: issuerOf(victim), value: name } as const;
  const revoked = until('the revocation is stored', () => revoker.revoke('globex', thing).then(() => true));
  const doors = [() => revoker.askGateway(victim), () => revoker.askSidecar(victim)];
  const took = await Promise.all(doors.map((ask) => acceptedFor(ask, revoked, ['revoked', 'stale_policy'])));
  expect(Math.max(...took)).toBeLessThanOrEqual(MAX_STALENESS_MS);
  for (const ask of doors) await until('it is told why', async () => (await ask()) === 'revoked');
}

describe('the bound holds', () => {
  it('while hints come again and again, and in the wrong order', async () => {
    const bus = await openRabbit({ url: cluster.backend.amqpUrlOf('policy'), identity: 'policy' });
    try {
      const hints = Array.from({ length: 200 }, (_, i) => {
        const revocations = { exchange: policyEvents, routingKey: 'revocations.changed.v1' };
        const bundles = { exchange: policyEvents, routingKey: 'bundle.published.v1' };
        const epoch = BigInt((i * 7) % 40);
        return i % 2 === 0
          ? messageTo(revocations, eventsV1.RevocationsChangedSchema, { epoch })
          : messageTo(bundles, eventsV1.BundlePublishedSchema, { organisation: 'globex', epoch });
      });
      await Promise.all([bus.publish([...hints, ...hints.toReversed()]), expectBound('hinted')]);
    } finally {
      await bus.close();
    }
  });

  it.each(['rabbitmq', 'postgres'])('while %s dies and comes back, and nobody else is refused', async (name) => {
    const load = startLoad();
    process.kill(cluster.pidOf(name), 'SIGKILL');
    await expectBound(`during-${name}`);
    const told = await load.stop();
    expect([...told.keys()]).not.toContain('stale_policy');
    await until('everything is ready', async () => (await cluster.readiness()).ready, { timeoutMs: 60_000 });
  });

  it.each(['policy', 'policy-sidecar'])('while %s dies and comes back', async (name) => {
    process.kill(cluster.pidOf(name), 'SIGKILL');
    await expectBound(`during-${name}`);
    await until('everything is ready', async () => (await cluster.readiness()).ready, { timeoutMs: 60_000 });
  });
});

describe('an agent of the SDK', () => {
  it('is sent away when its subject is revoked, and stays away', async () => {
    const token = await world.token('globex', 'operator', { sub: 'robot' });
    const agent = createAgent({ registry: cluster.registry, name: 'robot', stopOn: [], getToken: () => token });
    agent.handle('globex/echo', () => 'done');
    await agent.start();
    const { subject } = await revoker.victim('globex', 'robot');
    await revoker.revoke('globex', { kind: 'subject', issuer: subject.issuer, value: 'robot' });
    expect(await refusalOf(agent.closed)).toMatchObject({ code: 'revoked' });
  });
});

describe('cut off from the policy service', () => {
  it.each([
    ['gateway', 'silent'],
    ['gateway', 'reset'],
    ['scheduler-sidecar', 'silent'],
    ['scheduler-sidecar', 'reset'],
  ] as const)(
    '%s (%s) lets nobody in once the bound is over, and knows who is revoked when it is back',
    async (name, how) => {
      const door = (victim: Victim) => (name === 'gateway' ? revoker.askGateway(victim) : revoker.askSidecar(victim));
      const victim = await revoker.victim('globex', `cut-${name}-${how}`);
      const other = await revoker.victim('acme', 'other');
      await until('it is let in', async () => (await door(victim)) === 'accepted');
      wireOf(name).cut(how);
      const revoked = revoker.revoke('globex', {
        kind: 'subject',
        issuer: issuerOf(victim),
        value: victim.subject.sub,
      });
      expect(await acceptedFor(() => door(victim), revoked, ['stale_policy'])).toBeLessThanOrEqual(MAX_STALENESS_MS);
      expect(await door(other)).toBe('stale_policy');
      wireOf(name).heal();
      await until('others are let in again', async () => (await door(other)) === 'accepted');
      expect(await door(victim)).toBe('revoked');
    },
  );

  it('a registry gives work back unstarted and uncounted, and it is done when the wire is mended', async () => {
    let calls = 0;
    const token = await world.token('acme', 'operator');
    const agent = createAgent({ registry: cluster.registry, name: 'echo', stopOn: [], token });
    agent.handle('acme/echo', () => (calls += 1));
    await agent.start();
    const operator = world.client(cluster.url, 'acme', 'operator');
    try {
      wireOf('registry-sidecar').cut('silent');
      const isStale = async () => (await cluster.readiness()).checks['registry-sidecar']?.ready === false;
      await until('the sidecar is stale', isStale);
      const run = await operator.submitRun({ tasks: [{ id: 'a', uses: 'tool:acme/echo' }] });
      const log = join(world.directory.path, 'logs', 'registry.log');
      await until('it was given back', async () => (await readFile(log, 'utf8')).includes('"code":"stale_policy"'));
      expect(calls).toBe(0);
      wireOf('registry-sidecar').heal();
      const ended = await operator.waitForRun(run.id, { timeoutMs: 60_000 });
      expect(ended).toMatchObject({ state: 'SUCCEEDED', tasks: [{ attempt: 1 }] });
      expect(calls).toBe(1);
    } finally {
      await agent.stop({ graceMs: 1_000 });
    }
  });
});
