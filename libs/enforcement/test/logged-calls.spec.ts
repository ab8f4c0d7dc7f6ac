/** Calls and task grants at an enforcement point, and what the decision log has of them before they go on. */
import { DecisionEngine, parsePolicySet } from '@cogmesh/policy-core';
import type { Access } from '@cogmesh/rpc';
import { CogmeshError } from '@cogmesh/errors';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  AccessCheck,
  createEnforcer,
  createTaskGrantCheck,
  DecisionCache,
  localPolicySource,
  OpenCalls,
  type DecisionLog,
  type LoggedDecision,
  type LoggedQuestion,
} from '../src/index.js';
import { codeOf, makeWorld, type World } from './world.js';

const submit = '/cogmesh.scheduler.v1.SchedulerService/SubmitRun';
const getRun = '/cogmesh.scheduler.v1.SchedulerService/GetRun';

let world: World;
let engine: DecisionEngine;
let log: Told;

/** A log whose disk is as slow, or as broken, as the test wants. */
class Told implements DecisionLog {
  readonly records: { readonly question: LoggedQuestion; readonly decisions: readonly LoggedDecision[] }[] = [];
  answer: () => Promise<void> | undefined = () => undefined;

  record(question: LoggedQuestion, decisions: readonly LoggedDecision[]): Promise<void> | undefined {
    if (decisions.length === 0) return undefined;
    this.records.push({ question, decisions });
    return this.answer();
  }

  get lines(): string[] {
    return this.records.flatMap(({ question, decisions }) =>
      decisions.map(({ action, resource, owner, code, cached }) =>
        [question.subject.sub, action, resource, owner, code, ...(cached === true ? ['cached'] : [])].join(' '),
      ),
    );
  }
}

beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.remove());

beforeEach(() => {
  log = new Told();
  engine = new DecisionEngine();
  const policies = [
    { id: 'analysts', policy: "role == 'analyst'", permissions: ['create', 'read'], resources: ['/**'] },
  ];
  engine.replace({ organisation: 'acme', epoch: 4, document: parsePolicySet({ policies }), grants: [] });
});

const subject = { issuer: 'i', sub: 'ann', organisation: 'acme', roles: ['analyst'], tokenId: '', attributes: {} };
const enforcer = () => {
  const { verifier } = world.identities.scheduler;
  return createEnforcer({
    ...{ service: 'scheduler', verifier, source: localPolicySource(engine), decisionCacheEntries: 100, log },
  });
};
const permit = (method: string, access: readonly Access[]) =>
  world.identities.gateway.mintPermit({ audience: 'scheduler', method, access, subject });
const call = (method: string, token: string) => ({ method, metadata: new Map([['authorization', `Bearer ${token}`]]) });
const reading = [{ action: 'read', resource: '/runs/run_1' }];
const unavailable = new CogmeshError('unavailable', 'the disk is full');

describe('a call', () => {
  it('is logged with every right, the refused one last, and what came from the cache', async () => {
    const enforce = enforcer();
    await enforce(call(getRun, await permit(getRun, reading)));
    await enforce(call(getRun, await permit(getRun, reading)));
    const two = [...reading, { action: 'cancel', resource: '/runs/run_1' }, { action: 'read', resource: '/agents' }];
    expect(await codeOf(async () => enforce(call(getRun, await permit(getRun, two))))).toBe('permission_denied');
    expect(log.lines).toEqual([
      'ann read /runs/run_1 acme allowed',
      'ann read /runs/run_1 acme allowed cached',
      'ann read /runs/run_1 acme allowed cached',
      'ann cancel /runs/run_1 acme no_matching_allow',
    ]);
    expect(log.records[0]?.decisions[0]).toMatchObject({ rules: ['analysts'], epoch: 4, allowed: true });
  });

  it('goes on only when the log has it', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    log.answer = () => promise;
    let passed = false;
    const passing = Promise.resolve(enforcer()(call(getRun, await permit(getRun, reading)))).then(
      () => (passed = true),
    );
    await expect.poll(() => log.lines).toHaveLength(1);
    expect(passed).toBe(false);
    resolve();
    await passing;
  });

  it('is refused when the log does not take it, be it allowed or not', async () => {
    log.answer = () => Promise.reject(unavailable);
    const enforce = enforcer();
    expect(await codeOf(async () => enforce(call(getRun, await permit(getRun, reading))))).toBe('unavailable');
    const cancel = [{ action: 'cancel', resource: '/runs/run_1' }];
    expect(await codeOf(async () => enforce(call(getRun, await permit(getRun, cancel))))).toBe('unavailable');
  });

  it('whose permit was used before is in the log as refused', async () => {
    const enforce = enforcer();
    const token = await permit(submit, [{ action: 'create', resource: '/runs' }]);
    await enforce(call(submit, token));
    expect(await codeOf(() => enforce(call(submit, token)))).toBe('replayed_permit');
    expect(log.lines).toEqual(['ann create /runs acme allowed', 'ann create /runs acme replayed_permit']);
  });

  it('that nobody decided on is not in it', async () => {
    const enforce = enforcer();
    expect(await codeOf(() => enforce(call(getRun, 'x.y.z')))).toBe('invalid_token');
    expect(await codeOf(async () => enforce(call(getRun, await permit(getRun, []))))).toBe('invalid_permit');
    await enforce(call('/grpc.health.v1.Health/Check', ''));
    expect(log.lines).toEqual([]);
  });
});

it('a call that is ended because its right did is in the log, and not each time it was found to be in order', async () => {
  let changed = (): void => {};
  const onChange = (listener: () => void) => {
    changed = listener;
    return () => {};
  };
  const source = localPolicySource(engine, { onChange });
  const access = new AccessCheck({ source, cache: new DecisionCache(10), now: Date.now });
  const calls = new OpenCalls({ source, access, log, now: Date.now });
  const token = await permit(getRun, reading);
  const claims = await world.identities.scheduler.verifier.verifyPermit(token, 'scheduler');
  log.answer = () => Promise.reject(unavailable);
  const ended: unknown[] = [];
  const stop = calls.follow(claims, (why) => ended.push((why as CogmeshError).code));
  changed();
  expect(log.lines).toEqual([]);
  engine.replace({ organisation: 'acme', epoch: 5, document: parsePolicySet([]), grants: [] });
  changed();
  expect(ended).toEqual(['permission_denied']);
  expect(log.lines).toEqual(['ann read /runs/run_1 acme no_matching_allow']);
  stop();
});

describe('a task grant', () => {
  const attempt = (organisation: string, capability = 'model:acme/x@1.0.0') => ({
    ...{ attemptId: `${organisation} ${capability}`, capability, inputSha256: 'c'.repeat(64), blobs: [], organisation },
  });
  async function check(attempts: readonly ReturnType<typeof attempt>[], agentId = 'agent_1') {
    const terms = { agent: 'agent_1', attempts, expiresAtMs: Date.now() + 60_000 };
    const grantJws = await world.identities.scheduler.mintTaskGrant(terms);
    const { verifier } = world.identities.worker;
    const checkTaskGrant = createTaskGrantCheck({ verifier, source: localPolicySource(engine), log });
    return checkTaskGrant({ grantJws, agentId, attempts });
  }

  it('is logged per organisation, good or not', async () => {
    expect(await check([attempt('acme'), attempt('acme', 'script')])).toMatchObject({ allowed: true });
    expect(await check([attempt('globex')])).toMatchObject({ allowed: false });
    expect(await check([attempt('acme')], 'agent_2')).toMatchObject({ allowed: false, code: 'invalid_grant' });
    expect(log.lines).toEqual([
      'agent_1 infer /models/acme/x acme allowed',
      'agent_1 infer script acme allowed',
      'agent_1 infer /models/acme/x acme permission_denied',
      'agent_2 infer /models/acme/x acme invalid_grant',
    ]);
    expect(log.records[1]?.question.subject.organisation).toBe('globex');
  });

  it('is given back unstarted when the log does not take it', async () => {
    log.answer = () => Promise.reject(unavailable);
    expect(await check([attempt('acme')])).toMatchObject({
      allowed: false,
      code: 'stale_policy',
      reason: 'the disk is full',
    });
  });
});
