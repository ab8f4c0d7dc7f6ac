/** Admission, life, renewals and instructions of the built registry, with agents that speak the protocol by hand. */
import { registryV1 } from '@cogmesh/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually, RegistryWorld, type RawAgent } from './registry-world.js';

const { SDK, WORKER } = registryV1.AgentKind;
const lookup = { name: 'tool:acme/lookup', credits: 1, ready: true };
const script = { name: 'script', credits: 2, ready: true };
const workerId = 'agent_01JD0000000000000000000000';

let world: RegistryWorld;

beforeEach(async () => {
  world = await RegistryWorld.create();
});
afterEach(() => world.close());

async function worker(hello: Parameters<RawAgent['hello']>[0] = {}): Promise<RawAgent> {
  const agent = world.connect();
  const token = await world.serviceToken('worker');
  agent.hello({ kind: WORKER, token, capabilities: [script], agentId: workerId, ...hello });
  await agent.welcome();
  return agent;
}

/** Beats until told otherwise. */
function beat(agent: RawAgent, attemptIds: string[] = []): { stop(): void } {
  const timer = setInterval(() => agent.send({ case: 'heartbeat', value: { capabilities: [script], attemptIds } }), 25);
  return { stop: () => clearInterval(timer) };
}

const stateOf = async (agentId: string) => {
  const { agent } = await (await world.client()).getAgent({ agentId });
  return agent?.state;
};

const becomes = (agentId: string, state: registryV1.AgentState) =>
  eventually(async () => expect(await stateOf(agentId)).toBe(state));

describe('refuses', () => {
  const refused: [string, () => Promise<Parameters<RawAgent['hello']>[0]>, string, string][] = [
    ['a Hello without a token', async () => ({ kind: SDK, capabilities: [lookup] }), 'unauthenticated', 'no token'],
    ['a Hello without a kind', async () => ({ token: await world.token() }), 'invalid_argument', 'kind'],
    [
      'somebody else’s tool',
      async () => ({ kind: SDK, token: await world.token('globex'), capabilities: [lookup] }),
      'permission_denied',
      'belongs to organisation "acme"',
    ],
    [
      'a model announced by an SDK agent',
      async () => ({
        kind: SDK,
        token: await world.token(),
        capabilities: [{ ...lookup, name: 'model:acme/x@1.0.0' }],
      }),
      'permission_denied',
      'model:acme/x@1.0.0',
    ],
    [
      'a tool announced by a worker',
      async () => ({ kind: WORKER, token: await world.serviceToken('worker'), capabilities: [lookup] }),
      'permission_denied',
      'models and script',
    ],
    [
      'a service that is no worker',
      async () => ({ kind: WORKER, token: await world.serviceToken('gateway'), capabilities: [script] }),
      'permission_denied',
      'no worker',
    ],
    [
      'a service token for another service',
      async () => ({ kind: WORKER, token: await world.serviceToken('worker', 'scheduler'), capabilities: [script] }),
      'invalid_token',
      '',
    ],
    [
      'an outside token that calls itself a worker',
      async () => ({ kind: WORKER, token: await world.token(), capabilities: [script] }),
      'invalid_token',
      '',
    ],
    [
      'a token that is no token',
      async () => ({ kind: SDK, token: 'x.y.z', capabilities: [lookup] }),
      'invalid_token',
      '',
    ],
    [
      'an id that is none',
      async () => ({
        kind: WORKER,
        token: await world.serviceToken('worker'),
        agentId: 'agent_../x',
        capabilities: [script],
      }),
      'invalid_argument',
      'not an agent id',
    ],
  ];

  it.each(refused)('%s', async (_, hello, code, message) => {
    const agent = world.connect();
    agent.hello(await hello());
    expect(await agent.ended).toMatchObject({ code, message: expect.stringContaining(message) as unknown });
    expect((await (await world.client()).listAgents({ includeGone: true })).agents).toEqual([]);
  });

  it('a tool that policy does not let it serve, naming the rule', async () => {
    world.deniedTools.add('acme/lookup');
    const agent = world.connect();
    agent.hello({ kind: SDK, token: await world.token(), capabilities: [lookup] });
    expect(await agent.ended).toMatchObject({
      code: 'permission_denied',
      message: expect.stringContaining('rule no-serve') as unknown,
    });
  });

  it('a stream that does not say who it is', async () => {
    expect(await world.connect().ended).toMatchObject({ code: 'timeout' });
  });

  it('a stream that begins with something else', async () => {
    const agent = world.connect();
    agent.send({ case: 'heartbeat', value: {} });
    expect(await agent.ended).toMatchObject({ code: 'invalid_argument' });
  });

  it('callers without the right to ask', async () => {
    await expect((await world.client('worker')).listAgents({})).rejects.toMatchObject({ code: 'permission_denied' });
  });
});

describe('the life of an agent', () => {
  it('shows it with its state, capabilities and portrait, and tells of it', async () => {
    const agent = await worker({ labels: { zone: 'a' }, address: '127.0.0.1:7050' });
    agent.send({ case: 'heartbeat', value: { capabilities: [script], portrait: { cpu: 0.5, memoryBytes: 7n } } });
    await eventually(async () => {
      const { agents } = await (await world.client('gateway')).listAgents({ organisation: 'acme' });
      expect(agents).toMatchObject([
        {
          id: workerId,
          state: registryV1.AgentState.READY,
          labels: { zone: 'a' },
          portrait: { cpu: 0.5, memoryBytes: 7n },
        },
      ]);
    });
    await eventually(() =>
      expect(world.events).toMatchObject([{ agentId: workerId, state: 'READY', organisation: 'acme' }]),
    );
  });

  it('is STARTING until something is ready', async () => {
    const agent = await worker({ capabilities: [{ ...script, ready: false }] });
    expect(await stateOf(workerId)).toBe(registryV1.AgentState.STARTING);
    beat(agent).stop();
    agent.send({ case: 'heartbeat', value: { capabilities: [script] } });
    await becomes(workerId, registryV1.AgentState.READY);
  });

  it('is LOST after three missed heartbeats, told, and cut off', async () => {
    const agent = await worker();
    const beating = beat(agent);
    await eventually(() => expect(world.events).toHaveLength(1));
    beating.stop();
    await becomes(workerId, registryV1.AgentState.LOST);
    expect(await agent.ended).toMatchObject({ code: 'timeout' });
    await eventually(() => expect(world.events.map(({ state }) => state)).toEqual(['READY', 'LOST']));
  });

  it('is LOST when its stream breaks and it does not come back', async () => {
    const agent = await worker();
    agent.cut();
    await becomes(workerId, registryV1.AgentState.LOST);
  });

  it('is not lost when it comes back in time under the same id', async () => {
    const first = await worker();
    first.cut();
    await first.ended;
    const beating = beat(await worker());
    await eventually(() => expect(world.events).toHaveLength(2));
    expect(world.events.map(({ state }) => state)).toEqual(['READY', 'READY']);
    expect(await stateOf(workerId)).toBe(registryV1.AgentState.READY);
    beating.stop();
  });

  it('is taken over by a newer stream of the same identity only', async () => {
    const first = await worker();
    const thief = world.connect();
    thief.hello({ kind: SDK, token: await world.token(), capabilities: [lookup], agentId: workerId });
    expect(await thief.welcome()).not.toBe(workerId);
    const second = await worker();
    expect(await first.ended).toMatchObject({ code: 'conflict' });
    const beating = beat(second);
    await becomes(workerId, registryV1.AgentState.READY);
    beating.stop();
  });

  it('is GONE after a goodbye, and its id with it', async () => {
    const agent = await worker();
    agent.send({ case: 'goodbye', value: { reason: 'enough' } });
    expect(await agent.ended).toMatchObject({ code: 'ended' });
    await becomes(workerId, registryV1.AgentState.GONE);
    const again = world.connect();
    again.hello({ kind: WORKER, token: await world.serviceToken('worker'), capabilities: [script], agentId: workerId });
    expect(await again.ended).toMatchObject({ code: 'failed_precondition' });
  });

  it('survives a restart of the registry: not lost before the grace ends, lost when it stays away', async () => {
    const agent = await worker();
    await world.stop();
    expect(await agent.ended).toMatchObject({ code: 'unavailable' });
    await world.start();
    expect(await stateOf(workerId)).toBe(registryV1.AgentState.READY);
    await becomes(workerId, registryV1.AgentState.LOST);
  });

  it('loses its admission when policy takes the right away', async () => {
    const agent = world.connect();
    agent.hello({ kind: SDK, token: await world.token(), capabilities: [lookup] });
    const id = await agent.welcome();
    const timer = setInterval(() => agent.send({ case: 'heartbeat', value: { capabilities: [lookup] } }), 25);
    world.deniedTools.add('acme/lookup');
    expect(await agent.ended).toMatchObject({ code: 'permission_denied' });
    clearInterval(timer);
    await becomes(id, registryV1.AgentState.GONE);
  });

  it('cannot grow beyond what it was admitted for', async () => {
    const agent = world.connect();
    agent.hello({ kind: SDK, token: await world.token(), capabilities: [lookup] });
    const agentId = await agent.welcome();
    const capabilities = [lookup, { ...lookup, name: 'tool:acme/other' }, { ...lookup, name: 'tool:globex/x' }];
    agent.send({ case: 'heartbeat', value: { capabilities, portrait: { running: 1 } } });
    await eventually(async () => {
      const seen = (await (await world.client()).getAgent({ agentId })).agent;
      expect(seen?.portrait?.running).toBe(1);
      expect(seen?.capabilities.map(({ name }) => name)).toEqual(['tool:acme/lookup']);
    });
  });
});

describe('leases', () => {
  it('are renewed for what the heartbeats list', async () => {
    const beating = beat(await worker(), ['a1', 'a2']);
    await eventually(() =>
      expect(world.renewed).toContainEqual(expect.objectContaining({ agentId: workerId, attemptIds: ['a1', 'a2'] })),
    );
    beating.stop();
  });

  it('are renewed once the scheduler can be reached again', async () => {
    world.renewalsFail = true;
    const agent = await worker();
    agent.send({ case: 'heartbeat', value: { capabilities: [script], attemptIds: ['a1'] } });
    const beating = setInterval(
      () => agent.send({ case: 'heartbeat', value: { capabilities: [script], attemptIds: ['a1'] } }),
      25,
    );
    await eventually(async () => expect(await stateOf(workerId)).toBe(registryV1.AgentState.READY));
    world.renewalsFail = false;
    await eventually(() => expect(world.renewed).not.toHaveLength(0));
    clearInterval(beating);
  });

  it('that the scheduler does not know become a cancellation', async () => {
    world.unknownAttempts.add('a2');
    const agent = await worker();
    const beating = beat(agent, ['a1', 'a2']);
    const { action } = await agent.next('instruction');
    expect(action).toMatchObject({ case: 'cancelAttempts', value: { attemptIds: ['a2'] } });
    beating.stop();
  });
});

describe('instructions', () => {
  const drain = { action: { case: 'drain' as const, value: { reason: 'update' } } };

  it('wait for the agent’s answer', async () => {
    const agent = await worker();
    const beating = beat(agent);
    const answer = (await world.client()).instruct({ agentId: workerId, instruction: drain });
    const { id, action } = await agent.next('instruction');
    expect(action).toMatchObject({ case: 'drain', value: { reason: 'update' } });
    agent.send({ case: 'instructionAck', value: { instructionId: id, accepted: true } });
    expect(await answer).toMatchObject({ acknowledged: true });
    await becomes(workerId, registryV1.AgentState.DRAINING);
    beating.stop();
  });

  it('carry a refusal', async () => {
    const agent = await worker();
    const instruction = { action: { case: 'loadModel' as const, value: { model: 'acme/x@1.0.0' } } };
    const answer = (await world.client()).instruct({ agentId: workerId, instruction });
    const { id } = await agent.next('instruction');
    agent.send({ case: 'instructionAck', value: { instructionId: id, accepted: false, message: 'no room' } });
    expect(await answer).toMatchObject({ acknowledged: false, message: 'no room' });
  });

  it('time out, and fail when the agent leaves', async () => {
    const agent = await worker();
    const beating = beat(agent);
    const client = await world.client();
    await expect(client.instruct({ agentId: workerId, instruction: drain, timeoutMs: 50 })).rejects.toMatchObject({
      code: 'timeout',
    });
    const answer = client.instruct({ agentId: workerId, instruction: drain });
    answer.catch(() => {});
    await eventually(() => expect(agent.received.filter(({ case: which }) => which === 'instruction')).toHaveLength(2));
    beating.stop();
    agent.cut();
    await expect(answer).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('need an agent and something to say', async () => {
    const client = await world.client();
    await expect(client.instruct({ agentId: 'agent_x', instruction: drain })).rejects.toMatchObject({
      code: 'not_found',
    });
    await worker();
    await expect(client.instruct({ agentId: workerId })).rejects.toMatchObject({ code: 'invalid_argument' });
  });
});
