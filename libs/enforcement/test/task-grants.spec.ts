import { CogmeshError } from '@cogmesh/errors';
import type { GrantedAttempt } from '@cogmesh/identity';
import { DecisionEngine, parsePolicySet } from '@cogmesh/policy-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTaskGrantCheck, localPolicySource, RevocationBook, type PresentedAttempt } from '../src/index.js';
import { makeWorld, type World } from './world.js';

let world: World;
let engine: DecisionEngine;

beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.remove());

const day = 86_400_000;
const attempt: GrantedAttempt = {
  attemptId: 'a'.repeat(32),
  capability: 'model:acme/x@1.0.0',
  inputSha256: 'c'.repeat(64),
  blobs: [],
  organisation: 'globex',
};

function organisation(name: string, grants: { expiresAtMs: number }[] = []): void {
  engine.replace({
    organisation: name,
    epoch: (engine.epochOf(name) ?? 0) + 1,
    document: parsePolicySet({
      policies: [{ policy: "role == 'analyst'", permissions: ['infer'], resources: ['/models/**'] }],
    }),
    grants: grants.map(({ expiresAtMs }) => ({
      id: 'g1',
      grantor: 'acme',
      grantee: 'globex',
      actions: ['infer'],
      resources: ['/models/acme/*'],
      expiresAtMs,
    })),
  });
}

beforeEach(() => {
  engine = new DecisionEngine();
  organisation('acme', [{ expiresAtMs: Date.now() + day }]);
  organisation('globex');
});

interface Given {
  readonly to?: { agent: string } | { queue: string };
  readonly granted?: readonly GrantedAttempt[];
  readonly expiresAtMs?: number;
  readonly agentId?: string;
  readonly presented?: readonly PresentedAttempt[];
}

async function check(given: Given = {}) {
  const grantJws = await world.identities.scheduler.mintTaskGrant({
    ...(given.to ?? { agent: 'agent_1' }),
    attempts: given.granted ?? [attempt],
    expiresAtMs: given.expiresAtMs ?? Date.now() + 60_000,
  });
  const checkTaskGrant = createTaskGrantCheck({
    verifier: world.identities.worker.verifier,
    source: localPolicySource(engine),
  });
  return checkTaskGrant({ grantJws, agentId: given.agentId ?? 'agent_1', attempts: given.presented ?? [attempt] });
}

describe('work is refused', () => {
  const queue = 'inference_tasks.model_acme_x_1.0.0';
  it.each<[string, Given, string, RegExp]>([
    ['for another agent', { agentId: 'agent_2' }, 'invalid_grant', /agent_1, not for agent_2/],
    ['after the grant expired', { expiresAtMs: Date.now() - 31_000 }, 'invalid_grant', /expired/],
    [
      'with another input',
      { presented: [{ ...attempt, inputSha256: 'd'.repeat(64) }] },
      'invalid_grant',
      /another input/,
    ],
    [
      'for another capability',
      { presented: [{ ...attempt, capability: 'script' }] },
      'invalid_grant',
      /another capability/,
    ],
    [
      'with an attempt that is not listed',
      { presented: [attempt, { ...attempt, attemptId: 'b' }] },
      'invalid_grant',
      /does not list/,
    ],
    ['without attempts', { presented: [] }, 'invalid_grant', /no attempt/],
    [
      'from another queue',
      {
        to: { queue },
        granted: [{ ...attempt, capability: 'script' }],
        presented: [{ ...attempt, capability: 'script' }],
      },
      'invalid_grant',
      /queue/,
    ],
    [
      'for an organisation that is gone',
      { granted: [{ ...attempt, organisation: 'initech' }] },
      'permission_denied',
      /no organisation/,
    ],
    [
      'for a script of an organisation that is gone',
      {
        granted: [{ ...attempt, organisation: 'initech', capability: 'script' }],
        presented: [{ ...attempt, capability: 'script' }],
      },
      'permission_denied',
      /initech/,
    ],
  ])('%s', async (_name, given, code, reason) => {
    expect(await check(given)).toMatchObject({ allowed: false, code, reason: expect.stringMatching(reason) as string });
  });

  it('once the partner grant it rests on has expired or is withdrawn', async () => {
    organisation('acme', [{ expiresAtMs: Date.now() - 1 }]);
    expect(await check()).toMatchObject({
      allowed: false,
      code: 'permission_denied',
      reason: expect.stringMatching(/expired/) as string,
    });
    organisation('acme');
    expect(await check()).toMatchObject({
      allowed: false,
      code: 'permission_denied',
      reason: expect.stringMatching(/no infer/) as string,
    });
  });

  it.each([
    ['subject', { kind: 'subject', value: 'ann' }],
    ['token', { kind: 'token', value: 't1' }],
    ['issuer', { kind: 'issuer', value: '' }],
    ['key', { kind: 'key', value: 'k1' }],
  ] as const)('once the %s that submitted it is revoked, however long it was queued', async (_what, thing) => {
    const submitter = { issuer: 'https://i', sub: 'ann', tokenId: 't1', keyId: 'k1' };
    const granted = [{ ...attempt, submitter }];
    const revocations = new RevocationBook();
    const grantJws = await world.identities.scheduler.mintTaskGrant({
      agent: 'agent_1',
      attempts: granted,
      expiresAtMs: Date.now() + 60_000,
    });
    const verifier = world.identities.worker.verifier;
    const ask = createTaskGrantCheck({ verifier, source: localPolicySource(engine, { revocations }) });
    const question = { grantJws, agentId: 'agent_1', attempts: [attempt] };
    expect(await ask(question)).toMatchObject({ allowed: true });
    const about = { organisation: 'globex', issuer: 'https://i', epoch: 1, untilMs: 0, lifted: false };
    revocations.apply({ since: 0, epoch: 1, changes: [{ ...about, ...thing }] });
    expect(await ask(question)).toMatchObject({ allowed: false, code: 'revoked' });
  });

  it('with stale_policy, so that it is returned unstarted, when policies are too old', async () => {
    const source = {
      ...localPolicySource(engine),
      assertFresh: () => {
        throw new CogmeshError('stale_policy', 'too old');
      },
    };
    const grantJws = await world.identities.scheduler.mintTaskGrant({
      agent: 'agent_1',
      attempts: [attempt],
      expiresAtMs: Date.now() + 60_000,
    });
    const answer = await createTaskGrantCheck({ verifier: world.identities.worker.verifier, source })({
      grantJws,
      agentId: 'agent_1',
      attempts: [attempt],
    });
    expect(answer).toEqual({ allowed: false, code: 'stale_policy', reason: 'too old' });
  });
});

describe('work is allowed', () => {
  it('for the named agent, and for whoever reads the queue of its capability', async () => {
    expect(await check()).toMatchObject({ allowed: true, code: 'allowed' });
    expect(await check({ to: { queue: 'inference_tasks.model_acme_x_1.0.0' }, agentId: 'agent_9' })).toMatchObject({
      allowed: true,
    });
  });
});
