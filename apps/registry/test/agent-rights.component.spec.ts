/** What becomes of an SDK agent that is connected when its token, or what the token rests on, ends: the built registry. */
import { registryV1 } from '@cogmesh/contracts';
import { createAgent } from '@cogmesh/sdk';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually, RegistryWorld, type RawAgent } from './registry-world.js';

const { SDK } = registryV1.AgentKind;
const lookup = { name: 'tool:acme/lookup', credits: 1, ready: true };

let world: RegistryWorld;
let timers: NodeJS.Timeout[];

beforeEach(async () => {
  timers = [];
  // A look by the clock would come too late for these tests: what they see is seen at the change.
  world = await RegistryWorld.create({
    COGMESH_AGENT_RECHECK_MS: '3600000',
    COGMESH_ISSUER_REFRESH_MS: '50',
    // Nobody is to be lost because this machine is busy.
    COGMESH_HEARTBEAT_MS: '2000',
  });
});
afterEach(async () => {
  for (const timer of timers) clearInterval(timer);
  await world.close();
});

/** Connected, and beating. */
async function connected(token: string): Promise<RawAgent> {
  const agent = world.connect();
  agent.hello({ kind: SDK, token, capabilities: [lookup] });
  await agent.welcome();
  timers.push(setInterval(() => agent.send({ case: 'heartbeat', value: { capabilities: [lookup] } }), 25));
  return agent;
}

describe('a connected agent', () => {
  it.each(['token', 'subject', 'issuer', 'key'] as const)(
    'is sent away when its %s is revoked, and does not come back',
    async (kind) => {
      const token = await world.token();
      const agent = await connected(token);
      world.revoke(token, kind);
      expect(await agent.ended).toMatchObject({ code: 'revoked', details: { kind } });
      const again = world.connect();
      again.hello({ kind: SDK, token, capabilities: [lookup] });
      expect(await again.ended).toMatchObject({ code: 'revoked' });
    },
  );

  it('stays when somebody else is revoked', async () => {
    const agent = await connected(await world.token());
    const other = await connected(await world.token('acme', 600, 'other'));
    world.revoke(await world.token('acme', 600, 'other'), 'subject');
    expect(await other.ended).toMatchObject({ code: 'revoked' });
    const [attempt] = await world.dispatch([{ capability: lookup.name }], { shared: lookup.name });
    expect((await agent.next('work')).attemptId).toBe(attempt);
  });

  it('is sent away when its issuer is taken out of the registry', async () => {
    await world.stop();
    world.environment['COGMESH_AGENT_RECHECK_MS'] = '100';
    await world.start();
    const agent = await connected(await world.token());
    world.issuers.delete('development');
    expect(await agent.ended).toMatchObject({ code: 'unknown_issuer' });
  });

  it('gets no work while nobody can say whether it may stay; the work goes back unstarted', async () => {
    await world.stop();
    world.environment['COGMESH_POLICY_MAX_STALENESS_MS'] = '300';
    await world.start();
    await connected(await world.token());
    world.bundlesAnswer = false;
    await eventually(async () => expect((await world.readiness())?.ready).toBe(false));
    const [attempt] = await world.dispatch([{ capability: lookup.name }], { shared: lookup.name });
    expect((await world.result(attempt)).outcome).toMatchObject({ case: 'returned', value: { code: 'stale_policy' } });
    const late = world.connect();
    late.hello({ kind: SDK, token: await world.token(), capabilities: [lookup] });
    expect(await late.ended).toMatchObject({ code: 'stale_policy' });
  });
});

describe('a fresh token', () => {
  const send = async (agent: RawAgent, token: string) => {
    agent.send({ case: 'freshToken', value: { token } });
    return agent;
  };

  it('in time lets the stream go on past the end of the old one', async () => {
    const agent = await connected(await world.token('acme', 2));
    expect(Number((await agent.next('welcome')).tokenExpiresInMs)).toBeLessThanOrEqual(2_000);
    await send(agent, await world.token('acme', 600));
    expect(Number((await agent.next('tokenAccepted')).tokenExpiresInMs)).toBeGreaterThan(500_000);
    let ended = false;
    void agent.ended.then(() => (ended = true));
    const late = await connected(await world.token('acme', 2));
    expect(await late.ended).toMatchObject({ code: 'expired_token' });
    expect(ended).toBe(false);
  });

  it.each([
    ['of another subject', () => world.token('acme', 600, 'somebody-else'), 'permission_denied'],
    ['of another organisation', () => world.token('globex'), 'permission_denied'],
    ['that is none', () => Promise.resolve('no.token.this'), 'invalid_token'],
  ])('%s ends the stream', async (_what, tokenOf, code) => {
    const agent = await connected(await world.token());
    expect(await (await send(agent, await tokenOf())).ended).toMatchObject({ code });
  });

  it('is sent by the SDK by itself, over the same stream', async () => {
    let tokens = 0;
    const agent = createAgent({
      registry: world.address,
      name: 'renewing',
      stopOn: [],
      getToken: () => {
        tokens += 1;
        return world.token('acme', tokens === 1 ? 2 : 600);
      },
    });
    agent.handle('acme/lookup', () => 'found');
    await agent.start();
    try {
      await eventually(() => expect(tokens).toBe(2));
      const late = await connected(await world.token('acme', 2));
      expect(await late.ended).toMatchObject({ code: 'expired_token' });
      const states = world.events.filter(({ agentId }) => agentId === agent.id).map(({ state }) => state);
      expect(states).not.toContain('LOST');
      expect(tokens).toBe(2);
    } finally {
      await agent.stop({ graceMs: 1_000 });
    }
  });
});
