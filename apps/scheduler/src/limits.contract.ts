/** Limits, shares and pauses of the built scheduler, whatever database it runs on. */
import { schedulerV1 } from '@cogmesh/contracts';
import type { CogmeshError } from '@cogmesh/errors';
import { afterEach, describe, expect, it } from 'vitest';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { output, type FakeAgent } from '../test/fake-agent.js';
import { readyAgent } from '../test/neighbours.js';
import { SchedulerFixture, until, type FixtureOptions } from '../test/scheduler-fixture.js';

const { Scope_Kind: Kind, RunState } = schedulerV1;
type ScopeInit = MessageInitShape<typeof schedulerV1.ScopeSchema>;

const script = (id: string, fields: object = {}) => ({ id, uses: 'script', script: 'return input', ...fields });
const scripts = (count: number, fields: object = {}) => ({
  tasks: Array.from({ length: count }, (_, index) => script(`t${index}`, fields)),
});
const organisation = (name: string, limits: ScopeInit['limits'], paused = false): ScopeInit => ({
  kind: Kind.ORGANISATION, name, limits, paused,
} as ScopeInit); // prettier-ignore

interface Caller {
  readonly organisation?: string;
  readonly roles?: readonly string[];
}
const hostAdmin: Caller = { organisation: 'acme', roles: ['admin'] };
const admin: Caller = { organisation: 'globex', roles: ['admin'] };

export function limitsContract(name: string, where: () => FixtureOptions): void {
  describe(`limits on ${name}`, () => {
    let fixture: SchedulerFixture;
    let release: () => void;
    /** An agent with 8 places whose work ends when `release` is called. */
    async function begin(options: FixtureOptions = {}): Promise<FakeAgent> {
      fixture = await SchedulerFixture.open({ ...where(), ...options });
      const gate = new Promise<void>((resolve) => (release = resolve));
      const agent = await fixture.addAgent('agent_1', async ({ input }) => {
        await gate;
        return output(input);
      });
      await fixture.start();
      return agent;
    }
    afterEach(async () => {
      release();
      await fixture.close();
    });

    async function put(scope: ScopeInit, caller: Caller = admin): Promise<schedulerV1.Scope> {
      const access = [{ action: 'write', resource: '/limits' }];
      const call = await fixture.permitted('putScope', { ...caller, access });
      return (await fixture.client.putScope({ scope }, call)).scope as schedulerV1.Scope;
    }
    async function scopes(caller: Caller = admin): Promise<schedulerV1.Scope[]> {
      const access = [{ action: 'read', resource: '/limits' }];
      const call = await fixture.permitted('listScopes', { ...caller, access });
      return (await fixture.client.listScopes({}, call)).scopes;
    }
    async function explain(runId: string, taskId: string): Promise<schedulerV1.ExplainWaitingResponse> {
      return fixture.client.explainWaiting({ runId, taskId }, await fixture.permitted('explainWaiting'));
    }
    const refused = (work: Promise<unknown>): Promise<CogmeshError> =>
      work.then(
        () => Promise.reject(new Error('was not refused')),
        (error: unknown) => error as CogmeshError,
      );
    const inFlight = async (): Promise<bigint | undefined> => (await scopes())[0]?.usage?.inFlight;

    it('keeps an organisation within its tasks in flight, says so, and gives the rest its turn', async () => {
      const agent = await begin();
      await put(organisation('globex', { maxInFlight: 2 }));
      const { id } = await fixture.submit(scripts(6));
      await until('two to run', () => agent.running === 2);
      const waiting = await until('the quota to be told', async () => {
        const told = await explain(id, 't5');
        return told.waiting?.code === 'quota' ? told : undefined;
      });
      expect(waiting.waiting?.message).toBe('organisation globex has 2 of at most 2 tasks in flight');
      expect(waiting.position).toBe(4n);
      // Another organisation is not held up by it.
      await fixture.submit(scripts(1), { organisation: 'initech' });
      await until('the other to run', () => agent.running === 3);
      expect(await inFlight()).toBe(2n);
      release();
      const run = await fixture.finished(id);
      expect(RunState[run.state]).toBe('SUCCEEDED');
      expect(agent.mostRunning).toBe(3);
      await until('the slots to be free', async () => (await inFlight()) === 0n);
    });

    it('limits a concurrency group and a capability in any version, and passes over what is in them', async () => {
      const agent = await begin();
      await put({ kind: Kind.GROUP, name: 'gpu', limits: { maxInFlight: 1 } } as ScopeInit);
      await put({ kind: Kind.CAPABILITY, name: 'model:acme/read', limits: { maxInFlight: 1 } } as ScopeInit, hostAdmin);
      const grouped = await fixture.submit(scripts(3, { concurrencyGroup: 'gpu', priority: 9 }));
      const models = await fixture.submit({
        tasks: [
          { id: 'a', uses: 'model:acme/read@4.0.0' },
          { id: 'b', uses: 'model:acme/read@4.1.0' },
        ],
      });
      const free = await fixture.submit(scripts(2, { priority: 0 }));
      await until('four to run', () => agent.running === 4);
      expect((await explain(grouped.id, 't2')).waiting).toMatchObject({
        code: 'concurrency',
        message: 'group gpu has 1 of at most 1 tasks in flight',
      });
      const b = (await explain(models.id, 'b')).waiting ?? (await explain(models.id, 'a')).waiting;
      expect(b?.message).toBe('capability model:acme/read has 1 of at most 1 tasks in flight');
      release();
      for (const { id } of [grouped, models, free]) expect((await fixture.finished(id)).state).toBe(RunState.SUCCEEDED);
      const byGroup = agent.received.filter(({ work }) => work.runId === grouped.id);
      expect(byGroup).toHaveLength(3);
      expect(agent.mostRunning).toBe(4);
    });

    it('starts no more a second than its rate allows, after a first burst', async () => {
      const agent = await begin();
      release();
      await put(organisation('globex', { ratePerSecond: 10, burst: 2 }));
      const from = Date.now();
      const { id } = await fixture.submit(scripts(6));
      const run = await fixture.finished(id);
      expect(RunState[run.state]).toBe('SUCCEEDED');
      expect(agent.received).toHaveLength(6);
      // Two at once, four more at 100 ms each.
      expect(Date.now() - from).toBeGreaterThanOrEqual(390);
    });

    it('refuses a submit beyond the queued cap with a time to come back, but answers one that was taken', async () => {
      await begin();
      await put(organisation('globex', { maxQueued: 5n }));
      const first = await fixture.submit(scripts(3), { idempotencyKey: 'first' });
      const error = await refused(fixture.submit(scripts(3)));
      expect(error).toMatchObject({ code: 'rate_limited' });
      expect(error.details.retryAfterSeconds).toBeGreaterThan(0);
      expect((await fixture.submitRaw(scripts(3), { idempotencyKey: 'first' })).replayed).toBe(true);
      await fixture.submit(scripts(2));
      expect((await scopes())[0]?.usage?.queued).toBe(5n);
      await fixture.submit(scripts(9), { organisation: 'initech' });
      release();
      await fixture.finished(first.id);
      await until('room', async () => (await scopes())[0]?.usage?.queued === 0n);
      await fixture.submit(scripts(5));
    });

    it('starts nothing of a paused organisation, capability or group, and goes on when they resume', async () => {
      const agent = await begin();
      release();
      const paused: ScopeInit[] = [
        organisation('globex', {}, true),
        { kind: Kind.CAPABILITY, name: 'script', paused: true } as ScopeInit,
        { kind: Kind.GROUP, name: 'nightly', organisation: 'globex', paused: true } as ScopeInit,
      ];
      for (const scope of paused) await put(scope, hostAdmin);
      const { id } = await fixture.submit(scripts(2, { concurrencyGroup: 'nightly' }));
      for (const scope of paused) {
        const told = await until('the pause to be told', async () => (await explain(id, 't0')).waiting);
        expect(told.code).toBe('paused');
        expect(agent.received).toHaveLength(0);
        await put({ ...scope, paused: false } as ScopeInit, hostAdmin);
      }
      expect(RunState[(await fixture.finished(id)).state]).toBe('SUCCEEDED');
    });

    it('loses no slot and no limit in a crash', async () => {
      const agent = await begin();
      const held = agent.behaviour;
      agent.behaviour = async (received) => {
        await agent.reportStarted(received.work);
        return held(received);
      };
      await put(organisation('globex', { maxInFlight: 2 }));
      const { id } = await fixture.submit(scripts(5));
      await until('two to run', async () => {
        const { tasks } = await fixture.run(id);
        return tasks.filter(({ state }) => state === schedulerV1.TaskState.RUNNING).length === 2;
      });
      await fixture.crash();
      await fixture.start();
      await until('the slots to be counted anew', async () => (await inFlight()) === 2n);
      expect(agent.mostRunning).toBe(2);
      release();
      expect(RunState[(await fixture.finished(id)).state]).toBe('SUCCEEDED');
      await until('the slots to be free', async () => (await inFlight()) === 0n);
      expect((await scopes())[0]?.usage?.queued).toBe(0n);
    });

    it('shares between organisations by weight while one floods, and serves a higher class first', async () => {
      await begin();
      await fixture.crash();
      const order: string[] = [];
      const agent = fixture.agents[0] as FakeAgent;
      agent.behaviour = ({ work }) => {
        order.push(work.organisation);
        return output(null);
      };
      fixture.registry.agents.clear();
      await fixture.start();
      await put(organisation('globex', { weight: 3 }), hostAdmin);
      await put(organisation('hooli', { serviceClass: 1 }), hostAdmin);
      const flood = await fixture.submit(scripts(300));
      await fixture.submit(scripts(40), { organisation: 'initech' });
      await fixture.submit(scripts(8), { organisation: 'hooli' });
      fixture.registry.agents.set('agent_1', readyAgent('agent_1', { script: 8 }));
      expect((await fixture.finished(flood.id)).state).toBe(RunState.SUCCEEDED);
      expect(order.slice(0, 8)).toEqual(Array.from({ length: 8 }, () => 'hooli'));
      const small = order.slice(8, 88).filter((each) => each === 'initech').length;
      expect(small).toBeGreaterThanOrEqual(18);
      expect(small).toBeLessThanOrEqual(22);
    });

    it('lets administrators set what is theirs, and nobody claim a weight or a class', async () => {
      await begin();
      const weighty = organisation('globex', { weight: 9 });
      const codes = [
        refused(put(organisation('globex', {}), { organisation: 'globex', roles: ['member'] })),
        refused(put(organisation('initech', {}))),
        refused(put(weighty)),
        refused(put(organisation('globex', { serviceClass: 1 }))),
        refused(put({ kind: Kind.CAPABILITY, name: 'script' } as ScopeInit)),
        refused(put({ kind: Kind.GROUP, name: 'g', organisation: 'initech' } as ScopeInit)),
        refused(put(organisation('acme', {}), { organisation: 'acme', roles: ['member'] })),
      ];
      for (const each of await Promise.all(codes)) expect(each).toMatchObject({ code: 'permission_denied' });
      await put(weighty, hostAdmin);
      const kept = await put(organisation('globex', { maxInFlight: 7 }));
      expect(kept.limits).toMatchObject({ weight: 9, maxInFlight: 7 });
      const wrong: ScopeInit[] = [
        organisation('globex', { maxInFlight: -1 }),
        organisation('globex', { ratePerSecond: NaN }),
        organisation('globex', { burst: 3 }),
        { kind: Kind.GROUP, name: 'g', limits: { maxQueued: 5n } } as unknown as ScopeInit,
        { kind: Kind.GROUP, name: 'A B' } as ScopeInit,
        { kind: Kind.CAPABILITY, name: 'model:acme/read@4' } as ScopeInit,
        { kind: Kind.CAPABILITY, name: 'sleep' } as ScopeInit,
        { name: 'globex' } as ScopeInit,
      ];
      for (const scope of wrong) {
        expect(await refused(put(scope, hostAdmin)), `${scope.name}`).toMatchObject({ code: 'invalid_argument' });
      }
      await put({ kind: Kind.GROUP, name: 'g', limits: { maxInFlight: 1 } } as ScopeInit);
      expect((await scopes()).map(({ name: scope }) => scope)).toEqual(['globex', 'g']);
      expect((await scopes({ organisation: 'initech' })).map(({ name: scope }) => scope)).toEqual(['initech']);
      expect(await scopes(hostAdmin)).toHaveLength(3);
    });

    it('gives a task with an affinity only to agents with these labels, and says when there are none', async () => {
      await begin({ settings: { COGMESH_SCHEDULER_STRATEGY: 'round-robin' } });
      release();
      const chosen = await fixture.addAgent('agent_b', () => output('b'));
      fixture.registry.agents.set('agent_b', readyAgent('agent_b', { script: 1 }, { labels: { zone: 'b' } }));
      const { id } = await fixture.submit({
        tasks: [
          script('each', { forEach: '${{ [1, 2, 3] }}', affinity: { zone: 'b' } }),
          script('nowhere', { affinity: { zone: 'c' } }),
        ],
      });
      await until('the items', () => chosen.received.length === 3);
      const told = await until('the want to be told', async () => {
        const { waiting } = await explain(id, 'nowhere');
        return waiting?.code === 'no_agent' ? waiting : undefined;
      });
      expect(told.message).toBe('asks for script with zone=c; agents offer script');
      fixture.registry.agents.set('agent_b', readyAgent('agent_b', { script: 1 }, { labels: { zone: 'c' } }));
      expect(RunState[(await fixture.finished(id)).state]).toBe('SUCCEEDED');
      expect(chosen.received).toHaveLength(4);
    });

    it('explains every kind of waiting', async () => {
      const agent = await begin();
      await fixture.addAgent('agent_small', () => output(null), { 'tool:acme/rare': 1 });
      const { id } = await fixture.submit({
        tasks: [
          ...scripts(9).tasks,
          script('child', { depends: ['t0', 't1'] }),
          { id: 'nobody', uses: 'tool:acme/lookup' },
          { id: 'rest', uses: 'sleep', input: { durationMs: 60_000 } },
        ],
      });
      await until('the agent to be full', () => agent.running === 8);
      await until('the sleep', async () => (await explain(id, 'rest')).waiting?.code === 'timer');
      expect((await explain(id, 'child')).waiting).toMatchObject({ code: 'dependencies', message: 'waits for t0, t1' });
      expect((await explain(id, 'nobody')).waiting).toMatchObject({
        code: 'no_agent',
        message: 'asks for tool:acme/lookup; no agent offers it in any version',
      });
      const left = await until('the ninth to be told', async () => {
        const told = await explain(id, 't8');
        return told.position > 0n ? told : undefined;
      });
      expect(left.waiting?.code).toBe('busy');
      expect(left.waiting?.message).toMatch(
        /^every agent that serves script is busy; place \d in its organisation's order/,
      );
      expect(left.estimateMs).toBeGreaterThan(0n);
      const run = await fixture.run(id);
      expect(run.tasks.find((task) => task.id === 't8')?.waiting?.code).toBe('busy');
      await until('t0 to be told started', async () => (await explain(id, 't0')).waiting?.code === 'busy');
      expect(await refused(explain(id, 'none'))).toMatchObject({ code: 'not_found' });
    });
  });
}
