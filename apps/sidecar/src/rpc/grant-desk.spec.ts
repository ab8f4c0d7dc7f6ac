import { createLogger } from '@cogmesh/telemetry';
import type { policyV1 } from '@cogmesh/contracts';
import type { CheckTaskGrant } from '@cogmesh/enforcement';
import { CogmeshError } from '@cogmesh/errors';
import { Outgoing } from '@cogmesh/rpc';
import { expect, it } from 'vitest';
import { GrantDesk } from './grant-desk.js';

const logger = createLogger({ level: 'silent' });
const allow: CheckTaskGrant = () => Promise.resolve({ allowed: true, code: 'allowed', reason: 'yes' });

const requestOf = (questions: object[]) => ({ questions }) as unknown as policyV1.CheckTaskGrantsRequest;
const asking = (...grants: string[]) =>
  requestOf(grants.map((grantJws, at) => ({ id: BigInt(at), check: { grantJws, agentId: 'agent_1', attempts: [] } })));

function stream(desk: GrantDesk, signal = new AbortController().signal) {
  const requests = new Outgoing<policyV1.CheckTaskGrantsRequest>();
  return { requests, answers: desk.serve(requests, signal)[Symbol.asyncIterator]() };
}

const codesOf = ({ value }: IteratorResult<{ answers: { result: { code: string } }[] }>): string[] =>
  (value as { answers: { result: { code: string } }[] }).answers.map(({ result }) => result.code);

it('answers each message in one, and a slow message holds back no other', async () => {
  const held = Promise.withResolvers<void>();
  const check: CheckTaskGrant = async ({ grantJws }) => {
    if (grantJws === 'slow') await held.promise;
    return { allowed: true, code: grantJws, reason: '' };
  };
  const { requests, answers } = stream(new GrantDesk({ check, logger }));
  requests.push(asking('slow', 'a'));
  requests.push(asking('b', 'c'));
  expect(codesOf(await answers.next())).toEqual(['b', 'c']);
  held.resolve();
  expect(codesOf(await answers.next())).toEqual(['slow', 'a']);
  requests.end();
  expect(await answers.next()).toMatchObject({ done: true });
});

it('says that nothing is known where the check failed, and goes on', async () => {
  const check: CheckTaskGrant = ({ grantJws }) =>
    grantJws === 'broken' ? Promise.reject(new CogmeshError('internal', 'a secret detail')) : allow({} as never);
  const { requests, answers } = stream(new GrantDesk({ check, logger }));
  requests.push(asking('broken', 'fine'));
  const { value } = (await answers.next()) as { value: { answers: unknown[] } };
  expect(value.answers).toMatchObject([
    { id: 0n, result: { allowed: false, code: 'internal' } },
    { id: 1n, result: { allowed: true } },
  ]);
  expect(JSON.stringify(value.answers, (_, item: unknown) => (typeof item === 'bigint' ? 0 : item))).not.toContain(
    'secret',
  );
});

it('refuses a question without a check, and a message with too many', async () => {
  const { requests, answers } = stream(new GrantDesk({ check: allow, logger }));
  requests.push(requestOf([{ id: 1n }]));
  expect(codesOf(await answers.next())).toEqual(['invalid_argument']);
  requests.push(asking(...Array.from({ length: 257 }, () => 'a')));
  await expect(answers.next()).rejects.toMatchObject({ code: 'invalid_argument' });
});

it('ends a stream after its time, when what it was asked is answered', async () => {
  const held = Promise.withResolvers<void>();
  const check: CheckTaskGrant = async (question) => {
    await held.promise;
    return allow(question);
  };
  const { requests, answers } = stream(new GrantDesk({ check, logger, streamMs: 0 }));
  requests.push(asking('a'));
  setTimeout(held.resolve, 5);
  expect(codesOf(await answers.next())).toEqual(['allowed']);
  expect(await answers.next()).toMatchObject({ done: true });
});

it.each([
  ['the sidecar stops', (desk: GrantDesk) => desk.close()],
  ['its service went away', (_desk: GrantDesk, caller: AbortController) => caller.abort()],
])('ends a stream when %s', async (_when, end) => {
  const desk = new GrantDesk({ check: allow, logger });
  const caller = new AbortController();
  const { answers } = stream(desk, caller.signal);
  end(desk, caller);
  expect(await answers.next()).toMatchObject({ done: true });
});
