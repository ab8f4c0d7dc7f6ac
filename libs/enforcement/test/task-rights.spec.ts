/** What whoever submitted work may do at the moment when it leaves the queue, and what becomes of the others in the same message. */
import type { GrantedAttempt, Submitter } from '@cogmesh/identity';
import { DecisionEngine, parsePolicySet } from '@cogmesh/policy-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  createTaskGrantCheck,
  localPolicySource,
  refusalOf,
  type DecisionLog,
  type LoggedDecision,
  type LoggedQuestion,
  type PolicySource,
} from '../src/index.js';
import { makeWorld, type World } from './world.js';

let world: World;
let engine: DecisionEngine;
let epoch: number;
let logged: string[];

beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.remove());

const analysts = { policy: "role == 'analyst'", permissions: ['infer'], resources: ['/models/**', '/tools/**'] };
const starters = { policy: "role == 'analyst'", permissions: ['create'], resources: ['/runs'] };

function put(document: object): void {
  epoch += 1;
  engine.replace({ organisation: 'acme', epoch, document: parsePolicySet(document), grants: [] });
}

beforeEach(() => {
  engine = new DecisionEngine();
  epoch = 0;
  logged = [];
  put({ roles: { analyst: {} }, policies: [analysts, starters] });
});

const log: DecisionLog = {
  record: ({ subject }: LoggedQuestion, decisions: readonly LoggedDecision[]) => {
    for (const { action, resource, allowed, code } of decisions)
      logged.push(`${subject.sub} ${action} ${resource} ${allowed ? 'allowed' : code}`);
    return undefined;
  },
};

const ann: Submitter = {
  ...{ issuer: 'https://i', sub: 'ann', tokenId: 't1', roles: ['analyst'], attributes: { team: 'vision' } },
};
const bob: Submitter = { ...ann, sub: 'bob', tokenId: 't2' };

const attemptOf = (submitter: Submitter, capability = 'model:acme/x@1.0.0'): GrantedAttempt => ({
  ...{ attemptId: `${submitter.sub}-${capability}`, capability, inputSha256: 'c'.repeat(64), blobs: [] },
  ...{ organisation: 'acme', submitter },
});

async function check(attempts: readonly GrantedAttempt[], source: Partial<PolicySource> = {}) {
  const terms = { agent: 'agent_1', attempts, expiresAtMs: Date.now() + 60_000 };
  const ask = createTaskGrantCheck({
    verifier: world.identities.worker.verifier,
    source: { ...localPolicySource(engine), ...source },
    decisionCacheEntries: 100,
    log,
  });
  const grantJws = await world.identities.scheduler.mintTaskGrant(terms);
  return () => ask({ grantJws, agentId: 'agent_1', attempts });
}

describe('work is refused, for good and under a name of its own,', () => {
  it.each<[string, object, GrantedAttempt, string]>([
    [
      'when a role lost the right to the model since',
      { policies: [{ ...analysts, policy: "role == 'lead'" }] },
      attemptOf(ann),
      'ann infer /models/acme/x no_matching_allow',
    ],
    [
      'when a denial names an attribute that its submitter has',
      {
        policies: [analysts, { ...analysts, id: 'no-vision', effect: 'deny', policy: "attributes.team == 'vision'" }],
      },
      attemptOf(ann, 'tool:acme/t'),
      'ann infer /tools/acme/t denied_by_rule',
    ],
    [
      'when a script’s submitter may start no runs any more',
      { policies: [analysts] },
      attemptOf(ann, 'script'),
      'ann create /runs no_matching_allow',
    ],
    [
      'when the rule that allows it has an obligation since that nobody has met',
      { policies: [{ ...analysts, obligations: [{ id: 'co-approval' }] }] },
      attemptOf(ann),
      'ann infer /models/acme/x unknown_obligation',
    ],
  ])('%s', async (_what, document, attempt, line) => {
    const ask = await check([attempt]);
    expect(await ask()).toMatchObject({ allowed: true });
    put(document);
    const answer = await ask();
    expect(answer).toMatchObject({
      allowed: false,
      code: 'permission_denied',
      reason: expect.stringMatching(/^ann may not any more: /) as string,
    });
    expect(logged).toEqual([expect.stringMatching(/^agent_1 .* allowed$/), line]);
  });

  it('and what others have in the same message is done', async () => {
    const attempts = [attemptOf(ann), attemptOf(bob)];
    const ask = await check(attempts);
    put({ policies: [{ ...analysts, policy: "role == 'analyst' && sub != 'ann'" }] });
    const answer = await ask();
    expect(answer.refused).toMatchObject([{ attemptId: attempts[0]?.attemptId, code: 'permission_denied' }]);
    expect(attempts.map(({ attemptId }) => refusalOf(answer, attemptId)?.code)).toEqual([
      'permission_denied',
      undefined,
    ]);
    expect(logged).toEqual(['ann infer /models/acme/x no_matching_allow', 'agent_1 infer /models/acme/x allowed']);
  });
});

describe('work is allowed', () => {
  it('by a role that a binding gives since, and by an obligation that was met when it was submitted', async () => {
    const plain = { ...ann, roles: [], met: ['co-approval'] };
    const ask = await check([attemptOf(plain)]);
    expect(await ask()).toMatchObject({ allowed: false });
    put({
      roles: { analyst: {} },
      bindings: [{ id: 'b', role: 'analyst', subjects: [{ sub: 'ann' }] }],
      policies: [{ ...analysts, obligations: [{ id: 'co-approval' }] }],
    });
    expect(await ask()).toMatchObject({ allowed: true, code: 'allowed' });
  });
});

describe('a refusal', () => {
  it('is not given while newer policies that allow it are on their way', async () => {
    put({ policies: [] });
    const ask = await check([attemptOf(ann)], {
      confirm: () => {
        put({ policies: [analysts] });
        return Promise.resolve(true);
      },
    });
    expect(await ask()).toMatchObject({ allowed: true });
  });

  it('that nobody can confirm gives the work back unstarted, and logs no decision', async () => {
    put({ policies: [] });
    const ask = await check([attemptOf(ann)], { confirm: () => Promise.resolve(false) });
    expect(await ask()).toMatchObject({ allowed: false, code: 'stale_policy' });
    expect(logged).toEqual([]);
  });
});
