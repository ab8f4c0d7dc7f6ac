/**
 * Two whole schedulers over one database and broker, in one process. Which of them a call reaches is the test's choice; which
 * of them owns a run is the shard's.
 */
import { schedulerV1 } from '@cogmesh/contracts';
import { sql } from '@cogmesh/database';
import { shardsOf } from '@cogmesh/scheduling-core';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { output } from '../test/fake-agent.js';
import { SchedulerFixture, until, type FixtureOptions } from '../test/scheduler-fixture.js';

const shards = 16;
const organisations = Array.from({ length: 12 }, (_, index) => `organisation-${index}`);

const chain = (length: number, extra: object = {}) => ({
  tasks: Array.from({ length }, (_, index) => ({
    id: `t${index}`,
    uses: 'script',
    script: 'return 1',
    ...(index === 0 ? {} : { depends: [`t${index - 1}`] }),
    ...extra,
  })),
});
const wide = (count: number) => ({
  tasks: Array.from({ length: count }, (_, index) => ({ id: `t${index}`, uses: 'script', script: 'return 1' })),
});

export function replicasContract(name: string, options: () => FixtureOptions): void {
  describe(`two schedulers over ${name}`, () => {
    let a: SchedulerFixture;
    let b: SchedulerFixture;

    beforeEach(async () => {
      a = await SchedulerFixture.open({ ...options(), settings: { COGMESH_SCHEDULER_REPLICA: 'a' } });
      b = SchedulerFixture.beside(a, { COGMESH_SCHEDULER_REPLICA: 'b' });
      await a.start();
    });
    afterEach(async () => {
      await b.close();
      await a.close();
    });

    const owners = async () => {
      const rows = await a.database.query(
        sql<{ shard: number; owner: string | null }>`select shard, owner from scheduler_shards order by shard`,
      );
      return rows.map(({ owner }) => owner ?? '-');
    };
    const both = async () => {
      await b.start();
      await until('the shards to be shared', async () => {
        const counts = Object.groupBy(await owners(), (owner) => owner);
        return counts['a']?.length === shards / 2 && counts['b']?.length === shards / 2;
      });
    };
    const shardOf = (organisation: string) => shardsOf(organisation, { shards, splits: new Map() })[0] ?? 0;
    /** Organisations whose shard the replica has. */
    const of = async (replica: string) => {
      const owned = await owners();
      return organisations.filter((organisation) => owned[shardOf(organisation)] === replica);
    };
    const one = async (replica: string) => {
      const [first] = await of(replica);
      if (first === undefined) throw new Error(`${replica} owns no organisation of this test`);
      return first;
    };
    const ended = (fixture: SchedulerFixture, runId: string, organisation: string) =>
      until(`run ${runId} of ${organisation} to end`, async () => {
        const run = await fixture.run(runId, organisation).catch(() => undefined);
        return run?.finishedAt === undefined ? undefined : run;
      });
    const stateOf = (run: schedulerV1.Run) => schedulerV1.RunState[run.state];

    it('share the work: runs of either are taken by both, whoever was asked, each task once', async () => {
      const agent = await a.addAgent('agent_1', ({ input }) => output(input));
      await both();
      const runs = await Promise.all(
        organisations.map(async (organisation, index) => {
          const { id } = await (index % 2 === 0 ? a : b).submit(chain(5), { organisation });
          return { id, organisation };
        }),
      );
      for (const { id, organisation } of runs) {
        expect(stateOf(await ended(b, id, organisation))).toBe('SUCCEEDED');
        expect(stateOf(await ended(a, id, organisation))).toBe('SUCCEEDED');
      }
      expect((await of('a')).length).toBeGreaterThan(0);
      expect((await of('b')).length).toBeGreaterThan(0);
      expect(agent.received).toHaveLength(5 * organisations.length);
      // Attempts name the shard of their run, and so its owner.
      for (const { work } of agent.received) expect(work.attemptId).toMatch(/^[0-9a-f]-[0-9a-f]{32}$/);
    });

    it('one dies: the other goes on with its runs within 10 s', async () => {
      const agent = await a.addAgent('agent_1', async () => (await delay(20), output(1)));
      await both();
      const runs = await Promise.all(
        organisations.map(async (organisation) => ({
          organisation,
          id: (await a.submit(wide(30), { organisation })).id,
        })),
      );
      await until('half of it', () => agent.received.length > 30);
      const killedAt = Date.now();
      await b.crash();
      for (const { id, organisation } of runs) {
        expect(stateOf(await ended(a, id, organisation))).toBe('SUCCEEDED');
      }
      const history = await a.database.query(sql<{ at: number }>`select min(time) as at from run_events e
        join runs r on r.id = e.run_id where r.shard in (select shard from scheduler_shards where epoch >= 3)
        and e.time > ${killedAt}`);
      expect(history[0]?.at ?? Infinity).toBeLessThan(killedAt + 10_000);
      const succeeded = await a.database.query(sql<{ tasks: number }>`select count(*) as tasks from run_events
        where task_state = 'SUCCEEDED'`);
      expect(succeeded[0]?.tasks).toBe(30 * organisations.length);
    });

    it('one stops: the other has its shards at once', async () => {
      await a.addAgent('agent_1', ({ input }) => output(input));
      await both();
      const organisation = await one('b');
      const before = Date.now();
      await b.stop();
      await until('all shards to be taken', async () => (await owners()).every((owner) => owner === 'a'));
      expect(Date.now() - before).toBeLessThan(2_000);
      const { id } = await a.submit(chain(2), { organisation });
      expect(stateOf(await ended(a, id, organisation))).toBe('SUCCEEDED');
    });

    it('a run is steered through the one that does not have it', async () => {
      const agent = await a.addAgent('agent_1', () => 'started');
      await both();
      const organisation = await one('b');
      const { id } = await a.submit(
        {
          tasks: [
            { id: 'first', uses: 'script', script: 'return 1' },
            { id: 'ask', uses: 'approval', input: {} },
          ],
        },
        { organisation },
      );
      await until('it to run', () => agent.received.length === 1);
      const rights = (action: string) => ({ organisation, access: [{ action, resource: `/runs/${id}` }] });
      await a.client.pauseRun({ runId: id, reason: 'wait' }, await a.permitted('pauseRun', rights('write')));
      expect(stateOf(await b.run(id, organisation))).toBe('PAUSED');
      await a.client.resumeRun({ runId: id }, await a.permitted('resumeRun', rights('write')));
      await a.client.setPriority({ runId: id, priority: 9 }, await a.permitted('setPriority', rights('write')));
      expect((await b.run(id, organisation)).priority).toBe(9);
      const answer = await a.client.signalTask(
        { runId: id, taskId: 'ask', approved: true },
        await a.permitted('signalTask', rights('approve')),
      );
      expect(answer.missing).toBe(0);
      const explained = await a.client.explainWaiting(
        { runId: id, taskId: 'first' },
        await a.permitted('explainWaiting', { organisation }),
      );
      expect(explained.waiting).toBeUndefined();
      await a.client.cancelRun({ runId: id }, await a.permitted('cancelRun', rights('cancel')));
      expect(stateOf(await b.run(id, organisation))).toBe('CANCELLED');
      const late = a.client.pauseRun({ runId: id }, await a.permitted('pauseRun', rights('write')));
      await expect(late).rejects.toMatchObject({ code: 'failed_precondition' });
    });

    it('leases are renewed through either, and only what nobody wants is refused', async () => {
      const agent = await a.addAgent('agent_1', () => 'started');
      await both();
      const [mine, others] = [await one('a'), await one('b')];
      for (const organisation of [mine, others]) await a.submit(wide(2), { organisation });
      await until('four to start', () => agent.received.length === 4);
      const held = agent.received.map(({ work }) => work.attemptId);
      const made = held.map((id) => `${id.split('-')[0]}-${'0'.repeat(32)}`);
      for (const fixture of [a, b]) {
        const renewed = await fixture.client.renewLeases(
          { agents: [{ agentId: 'agent_1', attemptIds: [...held, ...made] }] },
          await fixture.asRegistry('RenewLeases'),
        );
        expect(new Set(renewed.unknownAttemptIds)).toEqual(new Set(made));
      }
    });

    it('who watches a run at the other one is woken', async () => {
      await a.addAgent('agent_1', async () => (await delay(50), output(1)));
      await both();
      const organisation = await one('b');
      const { id } = await b.submit(chain(4), { organisation });
      const permitted = await a.permitted('watchRun', { organisation });
      const seen: string[] = [];
      for await (const { event } of a.client.watchRun({ runId: id }, { ...permitted, deadlineMs: 15_000 })) {
        seen.push(event?.type ?? '');
      }
      expect(seen.at(-1)).toBe('run.done');
    });

    it('a limit of all is kept by both together, and goes to where there is work', async () => {
      const agent = await a.addAgent('agent_1', async () => (await delay(30), output(1)), { script: 50 });
      await both();
      const scope = { kind: schedulerV1.Scope_Kind.CAPABILITY, name: 'script', limits: { maxInFlight: 4 } };
      const admin = { organisation: 'acme', roles: ['admin'], access: [{ action: 'write', resource: '/limits' }] };
      await a.client.putScope({ scope }, await a.permitted('putScope', admin));
      const runs = await Promise.all(
        organisations.map(async (organisation) => ({
          organisation,
          id: (await a.submit(wide(8), { organisation })).id,
        })),
      );
      for (const { id, organisation } of runs) expect(stateOf(await ended(a, id, organisation))).toBe('SUCCEEDED');
      expect(agent.mostRunning).toBeLessThanOrEqual(4);
      // Only one has work now: it gets nearly everything within a few looks.
      const organisation = await one('b');
      agent.mostRunning = 0;
      const { id } = await a.submit(wide(150), { organisation });
      expect(stateOf(await ended(a, id, organisation))).toBe('SUCCEEDED');
      expect(agent.mostRunning).toBeGreaterThanOrEqual(3);
      expect(agent.mostRunning).toBeLessThanOrEqual(4);
    });

    it('an agent’s credits are shared, and a single one goes round', async () => {
      const agent = await a.addAgent('agent_1', async () => (await delay(10), output(1)), { script: 1 });
      await both();
      const pair = [await one('a'), await one('b')];
      const runs = await Promise.all(
        pair.map(async (organisation) => ({ organisation, id: (await a.submit(wide(60), { organisation })).id })),
      );
      await until('both to have had their turn', () => {
        const turns = new Set(agent.received.map(({ work }) => work.runId));
        return turns.size === 2;
      });
      expect(agent.mostRunning).toBe(1);
      for (const { id, organisation } of runs) expect(stateOf(await ended(a, id, organisation))).toBe('SUCCEEDED');
      expect(agent.mostRunning).toBe(1);
    }, 60_000);

    it('an organisation that is split is served by both, within its limit', async () => {
      const agent = await a.addAgent('agent_1', async () => (await delay(20), output(1)), { script: 50 });
      await both();
      const big = 'big-one';
      const kind = schedulerV1.Scope_Kind.ORGANISATION;
      const scope = { kind, name: big, organisation: big, limits: { parts: 8, maxInFlight: 6 } };
      const admin = { organisation: 'acme', roles: ['admin'], access: [{ action: 'write', resource: '/limits' }] };
      await a.client.putScope({ scope }, await a.permitted('putScope', admin));
      await until('the other to know', async () => {
        const read = { organisation: big, roles: ['admin'], access: [{ action: 'read', resource: '/limits' }] };
        const { scopes } = await b.client.listScopes({}, await b.permitted('listScopes', read));
        return scopes.some(({ limits }) => limits?.parts === 8);
      });
      const runs = await Promise.all(
        Array.from({ length: 16 }, async (_, index) =>
          (index % 2 === 0 ? a : b).submit(wide(5), { organisation: big }),
        ),
      );
      for (const { id } of runs) expect(stateOf(await ended(a, id, big))).toBe('SUCCEEDED');
      const rows = await a.database.query(
        sql<{ owner: string }>`select distinct s.owner from runs r join scheduler_shards s on s.shard = r.shard
          where r.organisation = ${big}`,
      );
      expect(rows.map(({ owner }) => owner).toSorted()).toEqual(['a', 'b']);
      expect(agent.mostRunning).toBeLessThanOrEqual(6);
    });

    it('the queue of an organisation is counted whoever is asked', async () => {
      await both();
      const organisation = await one('b');
      const kind = schedulerV1.Scope_Kind.ORGANISATION;
      const scope = { kind, name: organisation, organisation, limits: { maxQueued: 5n } };
      const admin = { organisation: 'acme', roles: ['admin'], access: [{ action: 'write', resource: '/limits' }] };
      await a.client.putScope({ scope }, await a.permitted('putScope', admin));
      await a.submit(wide(4), { organisation });
      await expect(a.submit(wide(2), { organisation })).rejects.toMatchObject({ code: 'rate_limited' });
      await until('the other to refuse too', () =>
        b.submit(wide(2), { organisation }).then(
          () => false,
          (error: { code?: string }) => error.code === 'rate_limited',
        ),
      );
    });

    it('a second process under the same name shuts the first one out', async () => {
      await b.start();
      const again = SchedulerFixture.beside(a, { COGMESH_SCHEDULER_REPLICA: 'b' });
      await again.start();
      await until('the first to notice', async () => {
        const ready = await b.readiness();
        return ready?.ready === false && ready.checks['shards']?.detail?.includes('another process');
      });
      expect((await again.readiness())?.ready).toBe(true);
      await again.close();
    });
  });
}
