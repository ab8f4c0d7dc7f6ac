/** Work of the scheduler on real SDK agents, through the built registry. */
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { messageTo } from '@cogmesh/bus';
import { registryV1, workV1 } from '@cogmesh/contracts';
import { CogmeshError, createAgent, type Agent, type AgentOptions } from '@cogmesh/sdk';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually, RegistryWorld } from './registry-world.js';

const tool = 'tool:acme/lookup';

let world: RegistryWorld;
let agents: Agent[];
/** Open gates of `gated` handlers, by input. */
let gates: Map<string, () => void>;

beforeEach(async () => {
  world = await RegistryWorld.create();
  agents = [];
  gates = new Map();
});
afterEach(async () => {
  await Promise.all(agents.map((agent) => agent.stop({ graceMs: 0 })));
  await world.close();
});

async function agent(options: Partial<AgentOptions> = {}): Promise<Agent> {
  const token = await world.token();
  const made = createAgent({
    registry: world.address,
    token,
    name: 'lookup',
    stopOn: [],
    maxReconnectDelayMs: 100,
    ...options,
  });
  agents.push(made);
  return made;
}

/** A handler that waits until the test opens the gate of its input. */
const gated = (input: unknown) =>
  new Promise<unknown>((resolve) => gates.set(String(input), () => resolve({ done: input })));

const open = (name: string) =>
  eventually(() => {
    const gate = gates.get(name);
    if (!gate) throw new Error(`${name} is not running`);
    gate();
  });

const work = (input: unknown, over: object = {}) => ({ capability: tool, inputJson: JSON.stringify(input), ...over });

describe('work on an agent', () => {
  it('of its own queue is done and reported once', async () => {
    const lookup = (await agent()).handle<{ word: string }>('acme/lookup', ({ word }, ctx) => ({
      word,
      attempt: ctx.attempt,
      run: ctx.runId,
    }));
    await lookup.start();
    const [attemptId] = await world.dispatch([work({ word: 'mesh' }, { attempt: 2 })], { agent: lookup.id });
    const result = await world.result(attemptId);
    expect(result).toMatchObject({ runId: 'run_1', agentId: lookup.id, outcome: { case: 'outputJson' } });
    expect(JSON.parse(String(result.outcome.value))).toEqual({ word: 'mesh', attempt: 2, run: 'run_1' });
    expect(world.results).toHaveLength(1);
    expect(world.hub.waiting(`agent.${lookup.id}.work`)).toBe(0);
  });

  it('that takes a while is told to have started, once', async () => {
    const lookup = (await agent()).handle('acme/lookup', gated);
    await lookup.start();
    const [attemptId] = await world.dispatch([work('a')], { agent: lookup.id });
    await eventually(() => expect(world.started).toHaveLength(1));
    await open('a');
    await world.result(attemptId);
    expect(world.started).toMatchObject([{ attemptId, runId: 'run_1', agentId: lookup.id }]);
  });

  it('of the shared queue of its tool too', async () => {
    const lookup = (await agent()).handle('acme/lookup', () => 1);
    await lookup.start();
    const [attemptId] = await world.dispatch([work(null)], { shared: tool });
    expect((await world.result(attemptId)).outcome).toEqual({ case: 'outputJson', value: '1' });
  });

  it('runs as many at once as it has credits, and the rest afterwards', async () => {
    const lookup = (await agent()).handle('acme/lookup', gated, { concurrency: 2 });
    await lookup.start();
    const ids = await world.dispatch(
      ['a', 'b', 'c', 'd'].map((name) => work(name)),
      { agent: lookup.id },
    );
    await eventually(() => expect([...gates.keys()].sort()).toEqual(['a', 'b']));
    await eventually(() => expect(world.started).toHaveLength(2));
    for (const name of ['a', 'b', 'c', 'd']) await open(name);
    for (const id of ids) expect((await world.result(id)).outcome.case).toBe('outputJson');
    expect(world.results).toHaveLength(4);
  });

  it.each(['its own queue', 'the shared queue'])(
    'takes more of %s at once when told to, and then fewer',
    async (queue) => {
      const lookup = (await agent()).handle('acme/lookup', gated, { concurrency: { initial: 1, max: 4 } });
      await lookup.start();
      const to = queue === 'its own queue' ? { agent: lookup.id } : { shared: tool };
      const names = ['a', 'b', 'c', 'd', 'e', 'f'];
      const ids = (await Promise.all(names.map((name) => world.dispatch([work(name)], to)))).flat();
      await eventually(() => expect(gates.size).toBe(1));
      const registry = await world.client();
      const setCredits = (credits: number, capability = tool) => {
        const action = { case: 'setCredits' as const, value: { capability, credits } };
        return registry.instruct({ agentId: lookup.id, instruction: { action } });
      };
      expect(await setCredits(4)).toEqual(expect.objectContaining({ acknowledged: true }));
      await eventually(() => expect(gates.size).toBe(4));
      const { agents: known } = await registry.listAgents({});
      expect(known[0]?.capabilities).toMatchObject([{ name: tool, credits: 4, minCredits: 1, maxCredits: 4 }]);

      expect(await setCredits(5)).toMatchObject({ acknowledged: false, message: /is 1 to 4/ });
      expect(await setCredits(2, 'tool:acme/other')).toMatchObject({ acknowledged: false });
      expect(await setCredits(2)).toMatchObject({ acknowledged: true });
      const running = [...gates.keys()].slice(0, 3);
      for (const name of running) await open(name);
      // Two of four had to end before the next could begin.
      await eventually(() => expect(world.results).toHaveLength(3));
      await eventually(() => expect(gates.size).toBe(5));
      // In whatever order the queue has them.
      await Promise.all(names.filter((each) => !running.includes(each)).map(open));
      for (const id of ids) expect((await world.result(id)).outcome.case).toBe('outputJson');
      expect(world.results).toHaveLength(names.length);
    },
  );

  it.each([
    [
      'a CogmeshError',
      () => {
        throw new CogmeshError('rate_limited', 'slower', { shop: 'b' });
      },
      { code: 'rate_limited', message: 'slower', retryable: true, detailsJson: '{"shop":"b"}' },
    ],
    [
      'another error',
      () => {
        throw new Error('broken');
      },
      { code: 'task_failed', message: 'broken', retryable: false },
    ],
    ['an output that is no JSON', () => 1n, { code: 'task_failed', retryable: false }],
  ])('fails as its handler does: %s', async (_, handler, error) => {
    const lookup = (await agent()).handle('acme/lookup', handler);
    await lookup.start();
    const [attemptId] = await world.dispatch([work(null)], { agent: lookup.id });
    expect((await world.result(attemptId)).outcome).toMatchObject({ case: 'error', value: error });
  });

  it('has a time limit that aborts it', async () => {
    let aborted: unknown;
    const lookup = (await agent()).handle(
      'acme/lookup',
      (_, { signal }) =>
        new Promise((resolve) =>
          signal.addEventListener('abort', () => {
            aborted = signal.reason;
            resolve('late');
          }),
        ),
    );
    await lookup.start();
    const [attemptId] = await world.dispatch([work(null, { timeoutMs: 30 })], { agent: lookup.id });
    expect((await world.result(attemptId)).outcome).toMatchObject({
      case: 'error',
      value: { code: 'timeout', retryable: true },
    });
    expect(aborted).toMatchObject({ code: 'timeout' });
  });

  it('is aborted when the scheduler does not know it any more, and nothing is reported', async () => {
    let aborted = false;
    const lookup = (await agent()).handle(
      'acme/lookup',
      (_, { signal }) =>
        new Promise((resolve) =>
          signal.addEventListener('abort', () => {
            aborted = true;
            resolve(null);
          }),
        ),
    );
    await lookup.start();
    const [attemptId] = await world.dispatch([work(null)], { agent: lookup.id });
    await world.startOf(attemptId);
    world.unknownAttempts.add(attemptId ?? '');
    await eventually(() => expect(aborted).toBe(true));
    const [next] = await world.dispatch([work(null, { timeoutMs: 20 })], { agent: lookup.id });
    await world.result(next);
    expect(world.results.map((result) => result.attemptId)).toEqual([next]);
  });

  it('tells how far it is: the newest word, now and then', async () => {
    const lookup = (await agent()).handle('acme/lookup', (input, ctx) => {
      for (let done = 1; done <= 50; done += 1) ctx.progress({ done });
      return gated(input);
    });
    await lookup.start();
    const [attemptId] = await world.dispatch([work('a')], { agent: lookup.id });
    await eventually(() =>
      expect(world.progress.at(-1)).toMatchObject({ attemptId, runId: 'run_1', dataJson: '{"done":50}' }),
    );
    expect(world.progress.length).toBeLessThan(5);
    await open('a');
    await world.result(attemptId);
  });

  it('passes log lines and partial output on, each and in order', async () => {
    const lookup = (await agent()).handle('acme/lookup', (input, ctx) => {
      for (const done of [1, 2]) {
        ctx.progress({ done });
        ctx.log(`line ${done}`);
        ctx.partial({ done });
      }
      return gated(input);
    });
    await lookup.start();
    const [attemptId] = await world.dispatch([work('a')], { agent: lookup.id });
    await eventually(() => expect(world.progress.at(-1)?.dataJson).toBe('{"partial":{"done":2}}'));
    const words = world.progress.map(({ dataJson }) => dataJson).filter((text) => !text.startsWith('{"done"'));
    expect(words).toEqual(['{"log":"line 1"}', '{"partial":{"done":1}}', '{"log":"line 2"}', '{"partial":{"done":2}}']);
    await open('a');
    await world.result(attemptId);
  });

  it('puts a large output into a blob of the run’s organisation, with its grant', async () => {
    const text = 'x'.repeat(70_000);
    const lookup = (await agent()).handle('acme/lookup', () => ({ text }));
    await lookup.start();
    const [attemptId] = await world.dispatch([work(null, { organisation: 'globex' })], { agent: lookup.id });
    const { outcome } = await world.result(attemptId);
    expect(JSON.parse(String(outcome.value))).toEqual({
      $blob: 'blob_01',
      mediaType: 'application/json',
      bytes: 70_011,
    });
    expect(world.stored).toMatchObject([{ organisation: 'globex', grant: expect.stringMatching(/^ey/) as unknown }]);
    expect(JSON.parse(String(world.stored[0]?.bytes))).toEqual({ text });
  });
});

describe('work is refused', () => {
  it('when its grant is for another agent', async () => {
    const lookup = (await agent()).handle('acme/lookup', () => 1);
    const other = (await agent()).handle('acme/lookup', () => 2);
    await Promise.all([lookup.start(), other.start()]);
    const queue = `agent.${other.id}.work`;
    const bus = world.hub.connect('scheduler');
    const thief = {
      publish: (messages: Parameters<typeof bus.publish>[0]) =>
        bus.publish(messages.map((message) => ({ ...message, to: { queue } }))),
    };
    const [attemptId] = await world.dispatch([work(null)], { agent: lookup.id }, thief as typeof bus);
    expect((await world.result(attemptId)).outcome).toMatchObject({
      case: 'error',
      value: { code: 'invalid_grant', retryable: false },
    });
    expect(world.started).toEqual([]);
  });

  it('when the organisation it is for may not use the tool', async () => {
    const lookup = (await agent()).handle('acme/lookup', () => 1);
    await lookup.start();
    const [attemptId] = await world.dispatch([work(null, { organisation: 'initech' })], { agent: lookup.id });
    expect((await world.result(attemptId)).outcome).toMatchObject({
      case: 'error',
      value: { code: 'permission_denied', retryable: false },
    });
    expect(world.started).toEqual([]);
  });

  it('when somebody else than the scheduler sent it, or it cannot be read', async () => {
    const lookup = (await agent()).handle('acme/lookup', () => 1);
    await lookup.start();
    await world.dispatch([work(null)], { agent: lookup.id }, world.hub.connect('worker'));
    const to = { queue: `agent.${lookup.id}.work` };
    await world.hub.connect('scheduler').publish([messageTo(to, workV1.StartedBatchSchema, {})]);
    await eventually(() => expect(world.hub.waiting(`agent.${lookup.id}.work.dead`)).toBe(2));
    expect(world.results).toEqual([]);
  });

  it('and comes back when its time has passed', async () => {
    const lookup = (await agent()).handle('acme/lookup', gated);
    await lookup.start();
    const soon = timestampFromMs(Date.now() + 300);
    const [first, second, third] = await world.dispatch(
      [work('a'), work('b', { notAfter: soon }), work('c', { notAfter: timestampFromMs(1) })],
      { agent: lookup.id },
    );
    for (const id of [second, third]) {
      expect((await world.result(id)).outcome).toMatchObject({ case: 'returned', value: { code: 'expired' } });
    }
    await open('a');
    expect((await world.result(first)).outcome.case).toBe('outputJson');
    expect(world.started).toHaveLength(1);
  });
});

describe('when an agent leaves', () => {
  it('by stop, it finishes what runs and what waits goes back', async () => {
    const lookup = (await agent()).handle('acme/lookup', gated);
    await lookup.start();
    const [first, second] = await world.dispatch([work('a'), work('b')], { agent: lookup.id });
    await world.startOf(first);
    const stopped = lookup.stop();
    expect((await world.result(second)).outcome).toMatchObject({ case: 'returned', value: { code: 'draining' } });
    await open('a');
    await stopped;
    expect((await world.result(first)).outcome.case).toBe('outputJson');
    await lookup.closed;
    const { agent: seen } = await (await world.client()).getAgent({ agentId: lookup.id });
    expect(seen?.state).toBe(registryV1.AgentState.GONE);
  });

  it('by a drain instruction, likewise', async () => {
    const lookup = (await agent()).handle('acme/lookup', gated);
    await lookup.start();
    const [first] = await world.dispatch([work('a')], { agent: lookup.id });
    await world.startOf(first);
    const instruction = { action: { case: 'drain' as const, value: { reason: 'update' } } };
    expect(await (await world.client()).instruct({ agentId: lookup.id, instruction })).toMatchObject({
      acknowledged: true,
    });
    await open('a');
    await lookup.closed;
    expect((await world.result(first)).outcome.case).toBe('outputJson');
  });

  it('past its grace, what runs is aborted and may be tried elsewhere', async () => {
    const lookup = (await agent()).handle('acme/lookup', gated);
    await lookup.start();
    const [first] = await world.dispatch([work('a')], { agent: lookup.id });
    await world.startOf(first);
    await lookup.stop({ graceMs: 20 });
    expect((await world.result(first)).outcome).toMatchObject({
      case: 'error',
      value: { code: 'unavailable', retryable: true },
    });
  });

  describe('without a word', () => {
    /** Has started the first of three attempts, has been given the second, and waits with the third. */
    async function busy() {
      const raw = world.connect();
      const capabilities = [{ name: tool, credits: 2, ready: true }];
      raw.hello({ kind: registryV1.AgentKind.SDK, token: await world.token(), capabilities });
      const agentId = await raw.welcome();
      const ids = await world.dispatch([work('a'), work('b'), work('c')], { agent: agentId });
      await eventually(() => expect(raw.received.filter((message) => message.case === 'work')).toHaveLength(2));
      raw.send({ case: 'started', value: { attemptId: ids[0] ?? '', runId: 'run_1' } });
      await world.startOf(ids[0]);
      return { raw, agentId, ids };
    }

    async function comeBack(agentId: string) {
      const raw = world.connect();
      const capabilities = [{ name: tool, credits: 2, ready: true }];
      raw.hello({ kind: registryV1.AgentKind.SDK, token: await world.token(), capabilities, agentId });
      expect(await raw.welcome()).toBe(agentId);
      return raw;
    }

    const lost = { case: 'error', value: { code: 'lease_lost', retryable: true, message: 'the agent is lost' } };
    const done = (attemptId = '') =>
      ({ attemptId, runId: 'run_1', outcome: { case: 'outputJson', value: '1' } }) as const;

    it('what it had not started goes back, and what it had is told to be lost', async () => {
      const { raw, agentId, ids } = await busy();
      raw.cut();
      const [first, second, third] = ids;
      for (const id of [second, third]) {
        expect((await world.result(id)).outcome).toMatchObject({ case: 'returned', value: { code: 'agent_lost' } });
      }
      expect(await world.result(first)).toMatchObject({ agentId, runId: 'run_1', outcome: lost });
      expect(world.results).toHaveLength(3);
      expect(world.hub.waiting(`agent.${agentId}.work`)).toBe(0);
    });

    it('and back within the grace, what it had started goes on', async () => {
      const { raw, agentId, ids } = await busy();
      raw.cut();
      const again = await comeBack(agentId);
      again.send({ case: 'result', value: done(ids[0]) });
      expect((await world.result(ids[0])).outcome).toEqual({ case: 'outputJson', value: '1' });
    });

    it('and back too late, its result is taken from it and passed on to nobody', async () => {
      const { raw, agentId, ids } = await busy();
      raw.cut();
      expect((await world.result(ids[0])).outcome).toMatchObject(lost);
      const again = await comeBack(agentId);
      again.send({ case: 'started', value: { attemptId: ids[0] ?? '', runId: 'run_1' } });
      again.send({ case: 'result', value: done(ids[0]) });
      const told = (wanted: string) => again.received.filter((message) => message.case === wanted);
      await eventually(() => expect(told('resultAccepted')).toHaveLength(1));
      expect(told('instruction')).toHaveLength(1);
      expect(world.results.filter(({ attemptId }) => attemptId === ids[0])).toHaveLength(1);
    });

    it('while the registry restarts, what it had started is told to be lost when its grace is over', async () => {
      world.environment['COGMESH_AGENT_RESTART_GRACE_MS'] = '200';
      const { raw, ids } = await busy();
      await world.stop();
      raw.cut();
      world.results.length = 0;
      await world.start();
      expect((await world.result(ids[0])).outcome).toMatchObject(lost);
      expect(world.results).toHaveLength(1);
    });

    it('is not for an agent to say of itself', async () => {
      const { raw, ids } = await busy();
      const outcome = { case: 'error', value: { code: 'lease_lost', message: 'so it says', retryable: true } } as const;
      raw.send({ case: 'result', value: { attemptId: ids[0] ?? '', runId: 'run_1', outcome } });
      expect((await world.result(ids[0])).outcome).toMatchObject({ case: 'error', value: { code: 'unavailable' } });
    });
  });
});

describe('when the registry restarts', () => {
  it('an agent comes back under its id, and what ran meanwhile is reported exactly once', async () => {
    const lookup = (await agent()).handle('acme/lookup', gated);
    await lookup.start();
    const { id } = lookup;
    const [first] = await world.dispatch([work('a')], { agent: id });
    await world.startOf(first);
    await world.stop();
    await open('a');
    await world.start();
    expect((await world.result(first)).outcome).toEqual({ case: 'outputJson', value: '{"done":"a"}' });
    expect(lookup.id).toBe(id);
    const [second] = await world.dispatch([work('b')], { agent: id });
    await open('b');
    await world.result(second);
    expect(world.results.map((result) => result.attemptId)).toEqual([first, second]);
  });

  it('renews the leases of what an agent still runs', async () => {
    const lookup = (await agent()).handle('acme/lookup', gated);
    await lookup.start();
    const [first] = await world.dispatch([work('a')], { agent: lookup.id });
    await world.startOf(first);
    await world.stop();
    world.renewed.length = 0;
    await world.start();
    await eventually(() =>
      expect(world.renewed).toContainEqual(expect.objectContaining({ agentId: lookup.id, attemptIds: [first] })),
    );
    await open('a');
    await world.result(first);
  });

  it('hands back what was not started', async () => {
    const lookup = (await agent()).handle('acme/lookup', gated);
    await lookup.start();
    const [first, second] = await world.dispatch([work('a'), work('b')], { agent: lookup.id });
    await world.startOf(first);
    await world.stop();
    expect((await world.result(second)).outcome).toMatchObject({ case: 'returned', value: { code: 'draining' } });
    await world.start();
    await open('a');
    await world.result(first);
  });
});

describe('an agent’s token', () => {
  it('is asked for again when it has expired, and the agent stays the same', async () => {
    const asked: boolean[] = [];
    const getToken = ({ refresh }: { refresh: boolean }) => {
      asked.push(refresh);
      return world.token('acme', asked.length === 1 ? 1 : 600);
    };
    const lookup = createAgent({
      registry: world.address,
      getToken,
      name: 'lookup',
      stopOn: [],
      maxReconnectDelayMs: 50,
    });
    agents.push(lookup);
    await lookup.handle('acme/lookup', () => 1).start();
    const { id } = lookup;
    await eventually(() => expect(asked).toEqual([false, true]));
    await eventually(async () => {
      const { agent: seen } = await (await world.client()).getAgent({ agentId: id });
      expect(seen?.state).toBe(registryV1.AgentState.READY);
    });
    const [attemptId] = await world.dispatch([work(null)], { agent: id });
    expect((await world.result(attemptId)).outcome.case).toBe('outputJson');
  });

  it('of another organisation is refused at start, with the reason', async () => {
    const stranger = (await agent({ token: await world.token('globex') })).handle('acme/lookup', () => 1);
    await expect(stranger.start()).rejects.toMatchObject({
      code: 'permission_denied',
      message: expect.stringContaining('"acme"') as unknown,
    });
    await expect(stranger.closed).rejects.toMatchObject({ code: 'permission_denied' });
  });
});
