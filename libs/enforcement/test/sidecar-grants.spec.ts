/** The stream of grant checks, against a real gRPC server that answers, keeps silent, breaks off or goes away as the test says. */
import { policyV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import { createClient, implement, openChannel, Outgoing, serveRpc, type Channel, type RpcServer } from '@cogmesh/rpc';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SidecarGrants } from '../src/sidecar-grants.js';
import { grantQuestionsPerMessage } from '../src/limits.js';
import { codeOf, makeWorld, type World } from './world.js';

type Requests = AsyncIterable<policyV1.CheckTaskGrantsRequest>;
type Answers = ReturnType<typeof answersTo>;
type Behaviour = (requests: Requests) => AsyncIterable<Answers>;

const questionOf = (grantJws: string, attempts = 1) => ({
  grantJws,
  agentId: 'agent_1',
  attempts: Array.from({ length: attempts }, (_, at) => ({
    attemptId: `${at}`,
    capability: 'script',
    inputSha256: 'a'.repeat(64),
  })),
});

const answersTo = ({ questions }: policyV1.CheckTaskGrantsRequest) => ({
  answers: questions.map(({ id, check }) => ({
    id,
    result: { allowed: check?.grantJws !== 'bad', code: check?.grantJws ?? '', reason: `${check?.attempts.length}` },
  })),
});

async function* answerAll(requests: Requests) {
  for await (const request of requests) yield answersTo(request);
}

let world: World;
let server: RpcServer;
let channel: Channel;
let behave: Behaviour;
let messages: policyV1.CheckTaskGrantsRequest[];
let streams: number;

async function* noted(requests: Requests) {
  for await (const request of requests) {
    messages.push(request);
    yield request;
  }
}

const serve = (address: string): Promise<RpcServer> =>
  serveRpc({
    address,
    services: [
      implement(policyV1.EnforcementService, {
        refresh: () => Promise.resolve({}),
        checkTaskGrants: (requests) => {
          streams += 1;
          return behave(noted(requests));
        },
      }),
    ],
  });

const open = (options: { deadlineMs?: number; maxQuestions?: number } = {}): SidecarGrants =>
  new SidecarGrants({ client: createClient(policyV1.EnforcementService, channel), ...options });

beforeEach(async () => {
  world = await makeWorld();
  messages = [];
  streams = 0;
  behave = answerAll;
  server = await serve(`unix:${world.dir}/sidecar.sock`);
  channel = openChannel({ target: server.address });
});
afterEach(async () => {
  channel.close();
  await server.stop(0);
  await world.remove();
});

describe('questions', () => {
  it('get their own answers, over one stream', async () => {
    const grants = open();
    expect(await grants.check(questionOf('good', 3))).toEqual({ allowed: true, code: 'good', reason: '3' });
    expect(await grants.check(questionOf('bad'))).toEqual({ allowed: false, code: 'bad', reason: '1' });
    expect(streams).toBe(1);
    grants.close();
  });

  it('that come together travel together, up to what one message holds', async () => {
    const grants = open();
    const count = grantQuestionsPerMessage + 1;
    const answers = await Promise.all(Array.from({ length: count }, (_, at) => grants.check(questionOf(`g${at}`))));
    expect(answers.map(({ code }) => code)).toEqual(Array.from({ length: count }, (_, at) => `g${at}`));
    expect(messages.map(({ questions }) => questions.length)).toEqual([grantQuestionsPerMessage, 1]);
    grants.close();
  });

  it('that are large travel in messages of their own', async () => {
    const grants = open();
    await Promise.all(['a', 'b', 'c'].map((letter) => grants.check(questionOf(letter.repeat(700_000)))));
    expect(messages.map(({ questions }) => questions.length)).toEqual([1, 1, 1]);
    grants.close();
  });

  it('may be answered in another order', async () => {
    const held: policyV1.CheckTaskGrantsRequest[] = [];
    behave = async function* (requests) {
      for await (const request of requests) {
        held.push(request);
        if (held.length === 2) for (const late of held.reverse()) yield answersTo(late);
      }
    };
    const grants = open();
    const first = grants.check(questionOf('first'));
    await expect.poll(() => held.length).toBe(1);
    const second = grants.check(questionOf('second'));
    expect((await second).code).toBe('second');
    expect((await first).code).toBe('first');
    grants.close();
  });

  it('fail when the check itself failed: nothing is known about the grant', async () => {
    const grants = open();
    expect(await codeOf(() => grants.check(questionOf('internal')))).toBe('internal');
    grants.close();
  });

  it('beyond those that may wait are refused', async () => {
    behave = () => new Outgoing();
    const grants = open({ maxQuestions: 1 });
    const waiting = codeOf(() => grants.check(questionOf('a')));
    expect(await codeOf(() => grants.check(questionOf('b')))).toBe('overloaded');
    grants.close();
    expect(await waiting).toBe('unavailable');
    expect(await codeOf(() => grants.check(questionOf('c')))).toBe('unavailable');
  });
});

describe('a stream that is lost', () => {
  it('by its end: the unanswered question is asked again on the next', async () => {
    let isFirst = true;
    behave = async function* (requests) {
      for await (const request of requests) {
        if (isFirst) {
          isFirst = false;
          return;
        }
        yield answersTo(request);
      }
    };
    const grants = open();
    expect((await grants.check(questionOf('good'))).code).toBe('good');
    expect(streams).toBe(2);
    grants.close();
  });

  it('by the death of the sidecar, between questions: the next is asked of its successor', async () => {
    const grants = open();
    await grants.check(questionOf('one'));
    await server.stop(0);
    server = await serve(server.address);
    await expect.poll(() => codeOf(() => grants.check(questionOf('two')))).toBe('accepted');
    grants.close();
  });

  it('every time: the question fails as the stream did', async () => {
    behave = async function* (requests) {
      for await (const _ of requests) throw new CogmeshError('permission_denied', 'not you');
    };
    const grants = open();
    expect(await codeOf(() => grants.check(questionOf('a')))).toBe('permission_denied');
    expect(streams).toBe(2);
    grants.close();
  });

  it('because nobody listens: unavailable', async () => {
    await server.stop(0);
    const grants = open();
    expect(await codeOf(() => grants.check(questionOf('a')))).toBe('unavailable');
    grants.close();
    server = await serve(server.address);
  });

  it('by its silence: the question times out, and the next has a stream of its own', async () => {
    behave = () => new Outgoing();
    const grants = open({ deadlineMs: 50 });
    expect(await codeOf(() => grants.check(questionOf('a')))).toBe('timeout');
    behave = answerAll;
    await expect.poll(() => codeOf(() => grants.check(questionOf('b')))).toBe('accepted');
    expect(streams).toBeGreaterThanOrEqual(2);
    grants.close();
  });
});
