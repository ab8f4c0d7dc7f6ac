import { DecisionCache, RevocationBook } from '@cogmesh/enforcement';
import { CogmeshError } from '@cogmesh/errors';
import { DecisionEngine, parsePolicySet } from '@cogmesh/policy-core';
import { beforeEach, expect, it } from 'vitest';
import type { Decisions } from '../operations/authority.js';
import { Obligations } from '../operations/obligations.js';
import { ReplicaDecisions } from './replica-decisions.js';

const signal = new AbortController().signal;
const ada = { issuer: 'https://acme.test', sub: 'ada', organisation: 'acme', roles: ['operator'], tokenId: 't1', attributes: {} }; // prettier-ignore
const look = { action: 'read', resource: '/models/acme/ocr' };
const question = {
  subject: { ...ada, attributes: { level: 3 } },
  action: 'read',
  resource: { type: 'report', id: '7' },
  context: { region: 'eu' },
};

class World {
  readonly engine = new DecisionEngine();
  readonly revocations = new RevocationBook();
  readonly watched = new Set<string>();
  readonly logged: string[] = [];
  readonly sentOn: string[] = [];
  isStale = false;
  readonly decisions: ReplicaDecisions;

  constructor() {
    const remote: Decisions = {
      decide: async (_subject, rights) => (this.sentOn.push(...rights.map(({ resource }) => resource)), []),
      ask: async (questions) => (this.sentOn.push(...questions.map(({ resource }) => resource.id)), []),
      look: (subject, rights, signal) => remote.decide(subject, rights, signal),
      explain: () => Promise.reject(new Error('not asked here')),
      withCoApproval: () => remote,
    };
    this.decisions = new ReplicaDecisions({
      replica: {
        engine: this.engine,
        revocations: this.revocations,
        assertFresh: () => {
          if (this.isStale) throw new CogmeshError('stale_policy', 'too old');
        },
        atLeast: ({ epochs }) =>
          (epochs['acme'] ?? 0) > 1 ? Promise.reject(new CogmeshError('stale_policy', 'not here')) : Promise.resolve(),
        isWatched: (organisation) => this.watched.has(organisation),
      },
      remote,
      cache: new DecisionCache(100),
      obligations: new Obligations({ info: () => undefined }),
      log: { record: (_question, decisions) => void this.logged.push(...decisions.map(({ code }) => code)) },
      now: () => 1_800_000_000_000,
    });
    this.put([
      { id: 'operators', policy: "role == 'operator'", permissions: ['read'], resources: ['/models/acme/*'] },
      {
        id: 'reports',
        policy: "attributes.level >= 2 && context.region == 'eu'",
        permissions: ['read'],
        resources: ['/report/*'],
      },
      { id: 'marked', permissions: ['list'], resources: ['/report/*'], obligations: [{ id: 'watermark' }] },
    ]);
  }

  put(policies: readonly object[]): void {
    const document = parsePolicySet({ organisation: 'acme', policies });
    this.engine.replace({ organisation: 'acme', epoch: 1, document, grants: [] });
  }
}

let world: World;
beforeEach(() => (world = new World()));

it('decides by the copy it has what only reads, and logs it', async () => {
  const [allowed, refused] = await world.decisions.decide(ada, [look, { ...look, resource: '/runs' }], signal);
  expect(allowed).toMatchObject({ allowed: true, code: 'allowed', rules: ['operators'], epoch: 1n });
  expect(refused).toMatchObject({ allowed: false, code: 'no_matching_allow' });
  expect(world.logged).toEqual(['allowed', 'no_matching_allow']);
  expect(world.sentOn).toEqual([]);
});

it('asks the policy service about what starts or changes something', async () => {
  await world.decisions.decide(ada, [look, { action: 'create', resource: '/runs' }], signal);
  expect(world.sentOn).toEqual(['/models/acme/ocr', '/runs']);
  expect(world.logged).toEqual([]);
});

it('reads what a question says of subject and context', async () => {
  const elsewhere = { ...question, context: { region: 'us' } };
  const answers = await world.decisions.ask([question, elsewhere], signal);
  expect(answers.map(({ allowed }) => allowed)).toEqual([true, false]);
});

it('meets obligations where it enforces itself, and hands them on where it is only asked', async () => {
  const print = { action: 'list', resource: '/report/7' };
  expect(await world.decisions.decide(ada, [print], signal)).toMatchObject([{ code: 'unknown_obligation' }]);
  const [told] = await world.decisions.ask([{ ...question, action: 'list' }], signal);
  expect(told).toMatchObject({ allowed: true, obligations: [{ id: 'watermark' }] });
});

it('asks for the second person that an obligation wants', async () => {
  world.put([
    { permissions: ['list'], resources: ['/models/acme/*'], obligations: [{ id: 'second', type: 'co-approval' }] },
  ]);
  const deploy = [{ ...look, action: 'list' }];
  const given = (missing: string | undefined) =>
    world.decisions.withCoApproval(() => missing).decide(ada, deploy, signal);
  expect(await given('nobody has')).toMatchObject([{ code: 'co_approval_needed', reason: 'nobody has' }]);
  expect(await given(undefined)).toMatchObject([{ allowed: true }]);
  expect(await world.decisions.decide(ada, deploy, signal)).toMatchObject([{ code: 'unknown_obligation' }]);
});

it('refuses who is revoked, whatever the policies say', async () => {
  const change = { epoch: 1, kind: 'subject', organisation: 'acme', issuer: ada.issuer, value: 'ada', reason: 'left', lifted: false } as const; // prettier-ignore
  world.revocations.apply({ since: 0, epoch: 1, changes: [{ ...change, untilMs: 0 }] });
  expect(await world.decisions.decide(ada, [look], signal)).toMatchObject([{ allowed: false, code: 'revoked' }]);
});

it('decides nothing with policies that are too old, or older than the caller has to see', async () => {
  await expect(world.decisions.decide(ada, [look], signal, 'v1.acme=2.r=0')).rejects.toBeInstanceOf(CogmeshError);
  world.isStale = true;
  await expect(world.decisions.decide(ada, [look], signal)).rejects.toMatchObject({ code: 'stale_policy' });
  expect(world.logged).toEqual([]);
});

it('asks the policy service about organisations that are watched, as owner too', async () => {
  world.watched.add('globex');
  await world.decisions.decide(ada, [look, { ...look, resource: '/models/globex/ocr' }], signal);
  await world.decisions.ask([{ ...question, subject: { ...question.subject, organisation: 'globex' } }], signal);
  expect(world.sentOn).toEqual(['/models/acme/ocr', '/models/globex/ocr', '7']);
});

it('asks the policy service where a rule reads what takes a question to somebody else, and only there', async () => {
  world.put([
    { policy: "resource.attributes.state == 'READY'", permissions: ['read'], resources: ['/agents/*'] },
    { permissions: ['list'], resources: ['/agents/**'] },
  ]);
  await world.decisions.decide(ada, [{ action: 'list', resource: '/agents/a1' }], signal);
  await world.decisions.decide(ada, [{ action: 'read', resource: '/agents/a2' }], signal);
  await world.decisions.ask([{ ...question, resource: { type: 'agent', id: 'a3' } }], signal);
  expect(world.sentOn).toEqual(['/agents/a2', 'a3']);
});

it('judges by its own copy what is only shown, whatever the action, and by the policy service what is done', async () => {
  world.put([{ permissions: ['infer'], resources: ['/models/acme/*'] }]);
  const rights = ['/models/acme/ocr', '/models/acme/voice'].map((resource) => ({ action: 'infer', resource }));
  const shown = await world.decisions.look(ada, rights, signal);
  expect([shown.map(({ allowed }) => allowed), world.sentOn]).toEqual([[true, true], []]);
  world.isStale = true;
  await expect(world.decisions.look(ada, rights, signal)).rejects.toMatchObject({ code: 'stale_policy' });
  await world.decisions.decide(ada, rights, signal);
  expect(world.sentOn).toEqual(['/models/acme/ocr', '/models/acme/voice']);
});
