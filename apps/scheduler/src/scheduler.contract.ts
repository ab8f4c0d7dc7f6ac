/**
 * What the built scheduler must do, whatever database it runs on: what goes in over gRPC and comes back over the bus, with
 * neighbours faked by contract.
 */
import { schedulerV1 } from '@cogmesh/contracts';
import { afterEach, describe, expect, it } from 'vitest';
import { sql } from '@cogmesh/database';
import { FakeAgent, output, failure, type Behaviour } from '../test/fake-agent.js';
import { startBlobs } from '../test/neighbours.js';
import { SchedulerFixture, until, type FixtureOptions } from '../test/scheduler-fixture.js';

const { RunState } = schedulerV1;
const script = (id: string, fields: object = {}) => ({ id, uses: 'script', script: 'return input', ...fields });

/** `where` opens an empty database for each test. */
export function schedulerContract(name: string, where: () => FixtureOptions): void {
  describe(`scheduler on ${name}`, () => {
    let fixture: SchedulerFixture;
    async function begin(options: FixtureOptions = {}, behaviour: Behaviour = ({ input }) => output(input)) {
      fixture = await SchedulerFixture.open({ ...where(), ...options });
      const agent = await fixture.addAgent('agent_1', behaviour);
      await fixture.start();
      return agent;
    }
    afterEach(() => fixture.close());

    describe('a run', () => {
      it('goes through a chain, hands outputs on, and tells its history without gaps', async () => {
        const agent = await begin();
        const { id } = await fixture.submit({
          name: 'chain',
          input: { n: 1 },
          tasks: [
            script('a', { input: { n: '${{ input.n + 1 }}' } }),
            script('b', { input: { n: '${{ tasks.a.output.n * 10 }}', run: '${{ run.organisation }}' } }),
          ],
          output: { result: '${{ tasks.b.output.n }}', of: '${{ tasks.b.output.run }}' },
        });
        const run = await fixture.finished(id);
        expect(RunState[run.state]).toBe('SUCCEEDED');
        expect(await fixture.output(id)).toEqual({ result: 20, of: 'globex' });
        expect(run.tasks.map((task) => [task.id, task.attempt, task.agentId, task.depends])).toEqual([
          ['a', 1, 'agent_1', []],
          ['b', 1, 'agent_1', ['a']],
        ]);
        const events = await fixture.history(id);
        expect(events.map((event) => Number(event.sequence))).toEqual(events.map((_, index) => index + 1));
        expect(events.at(0)).toMatchObject({ type: 'run.state', runState: RunState.PENDING });
        expect(events.at(-1)).toMatchObject({ type: 'run.done', runState: RunState.SUCCEEDED });
        expect((await fixture.history(id, 3n)).map((event) => event.sequence)).toEqual(
          events.slice(3).map((event) => event.sequence),
        );
        expect(agent.received).toHaveLength(2);
        expect(agent.received[0]?.work).toMatchObject({
          organisation: 'globex',
          capability: 'script',
          attempt: 1,
          script: 'return input',
        });
        expect(agent.received[0]?.work.attemptId).toMatch(/^[0-9a-z]{1,2}-[0-9a-f]{32}$/);
        expect(agent.received[0]?.grantJws.split('.')).toHaveLength(3);
      });

      it('fans out over 37 items within maxParallel, and joins them in order', async () => {
        const agent = await begin({}, async ({ input, work }) => {
          await until('company', () => agent.running > 3 || agent.received.length > 30 || work.taskId !== 'each');
          return work.taskId === 'list'
            ? output({ boxes: Array.from({ length: 37 }, (_, index) => index) })
            : output(input);
        });
        const { id } = await fixture.submit({
          tasks: [
            { id: 'list', uses: 'model:acme/detect@^4' },
            {
              id: 'each',
              uses: 'model:acme/read@^4',
              forEach: '${{ tasks.list.output.boxes }}',
              maxParallel: 4,
              input: { box: '${{ item }}', at: '${{ index }}' },
            },
            script('join', { input: '${{ tasks.each.output }}' }),
          ],
          output: '${{ tasks.join.output }}',
        });
        const run = await fixture.finished(id);
        expect(RunState[run.state]).toBe('SUCCEEDED');
        const want = Array.from({ length: 37 }, (_, index) => ({ box: index, at: index }));
        expect(await fixture.output(id)).toEqual(want);
        expect(await fixture.output(id, 'each', 36)).toEqual({ box: 36, at: 36 });
        const each = run.tasks.find((task) => task.id === 'each');
        expect(each).toMatchObject({ items: { total: 37, succeeded: 37, failed: 0 }, uses: 'model:acme/read@4.1.0' });
        expect(agent.received.filter(({ work }) => work.taskId === 'each')).toHaveLength(37);
        expect(agent.mostRunning).toBe(4);
      });

      it('gives [] for an empty forEach, null for a false when, and sleeps', async () => {
        const agent = await begin();
        const { id } = await fixture.submit({
          input: { list: [], go: false },
          tasks: [
            script('none', { forEach: '${{ input.list }}', input: '${{ item }}' }),
            script('never', { when: '${{ input.go }}' }),
            { id: 'rest', uses: 'sleep', input: { durationMs: 30 } },
            script('after', {
              depends: ['rest'],
              when: '${{ tasks.never.state == "SKIPPED" }}',
              input: { none: '${{ tasks.none.output }}', never: '${{ tasks.never.output }}' },
            }),
          ],
          output: '${{ tasks.after.output }}',
        });
        const run = await fixture.finished(id);
        expect(await fixture.output(id)).toEqual({ none: [], never: null });
        expect(run.tasks.map((task) => fixture.taskState(run, task.id))).toEqual([
          'SUCCEEDED',
          'SKIPPED',
          'SUCCEEDED',
          'SUCCEEDED',
        ]);
        expect(agent.received.map(({ work }) => work.taskId)).toEqual(['after']);
      });

      it('fails with a task that failed for good, skips what depends on it, lets running work finish, starts nothing new', async () => {
        let finishSlow: (() => void) | undefined;
        const agent = await begin({}, async ({ work }) => {
          if (work.taskId === 'bad') {
            await until('the slow task to run', () => finishSlow);
            return failure('invalid_input', false);
          }
          await new Promise<void>((resolve) => (finishSlow = resolve));
          return output('done');
        });
        const { id } = await fixture.submit({
          tasks: [
            script('bad'),
            script('slow'),
            script('child', { depends: ['bad'] }),
            script('grandchild', { depends: ['child'] }),
            script('next', { depends: ['slow'] }),
          ],
        });
        await until(
          'the failure to spread',
          async () => fixture.taskState(await fixture.run(id), 'grandchild') === 'SKIPPED',
        );
        expect(RunState[(await fixture.run(id)).state]).toBe('RUNNING');
        finishSlow?.();
        const run = await fixture.finished(id);
        expect(RunState[run.state]).toBe('FAILED');
        expect(run.error).toMatchObject({ code: 'invalid_input', message: 'task bad failed: it said invalid_input' });
        const states = run.tasks.map((task) => `${task.id} ${fixture.taskState(run, task.id)}`);
        expect(states).toEqual([
          'bad FAILED',
          'slow SUCCEEDED',
          'child SKIPPED',
          'grandchild SKIPPED',
          'next CANCELLED',
        ]);
        expect(run.tasks.find((task) => task.id === 'child')?.error?.message).toBe('skipped, because bad failed');
        expect(agent.attemptsOf('next')).toEqual([]);
      });

      it('fails a forEach with the first item that fails for good, and opens no further item', async () => {
        const agent = await begin({}, ({ input }) => (input === 2 ? failure('invalid_input', false) : output(input)));
        const { id } = await fixture.submit({
          input: [0, 1, 2, 3, 4, 5],
          tasks: [
            script('each', { forEach: '${{ input }}', input: '${{ item }}', maxParallel: 1 }),
            script('then', { depends: ['each'] }),
          ],
        });
        const run = await fixture.finished(id);
        expect(RunState[run.state]).toBe('FAILED');
        expect(run.error?.message).toBe('task each[2] failed: it said invalid_input');
        expect(run.tasks[0]?.items).toMatchObject({ total: 6, succeeded: 2, failed: 1 });
        expect(fixture.taskState(run, 'then')).toBe('SKIPPED');
        expect(agent.received).toHaveLength(3);
      });

      it('tries a retryable error again until it succeeds, or its attempts are spent', async () => {
        const agent = await begin({}, ({ work }) =>
          work.attempt < 3 ? failure('engine_crashed', true) : output(work.attempt),
        );
        const retry = { maxAttempts: 3, backoffMs: 5 };
        const good = await fixture.submit({ tasks: [script('a', { retry })], output: '${{ tasks.a.output }}' });
        expect(RunState[(await fixture.finished(good.id)).state]).toBe('SUCCEEDED');
        expect(await fixture.output(good.id)).toBe(3);
        expect(new Set(agent.attemptsOf('a')).size).toBe(3);
        const bad = await fixture.submit({ tasks: [script('b', { retry: { ...retry, maxAttempts: 2 } })] });
        const run = await fixture.finished(bad.id);
        expect(run.error).toMatchObject({ code: 'engine_crashed' });
        expect(run.tasks[0]?.attempt).toBe(2);
      });

      it('fails a task whose input cannot be computed, without an attempt', async () => {
        const agent = await begin();
        const { id } = await fixture.submit({
          input: {},
          tasks: [script('a', { input: '${{ input.missing.deeper }}' })],
        });
        const run = await fixture.finished(id);
        expect(run.error).toMatchObject({ code: 'invalid_expression' });
        expect(run.error?.message).toContain('No such key: missing');
        expect(agent.received).toEqual([]);
      });

      it('stores a long list as a blob: expressions look inside, scripts get the value, models the reference', async () => {
        const long = 'x'.repeat(3_000);
        await begin({}, ({ work, input }) => output(work.taskId === 'value' ? (input as unknown[]).length : input));
        const { id } = await fixture.submit({
          input: Array.from({ length: 40 }, (_, index) => ({ index, long })),
          tasks: [
            script('each', { forEach: '${{ input }}', input: '${{ item }}' }),
            script('inside', {
              input: { last: '${{ tasks.each.output[39].index }}', size: '${{ size(tasks.each.output) }}' },
            }),
            script('value', { input: '${{ tasks.each.output }}' }),
            { id: 'reference', uses: 'model:acme/read@^4', input: { list: '${{ tasks.each.output }}' } },
          ],
          output: {
            inside: '${{ tasks.inside.output }}',
            value: '${{ tasks.value.output }}',
            reference: '${{ tasks.reference.output }}',
          },
        });
        await fixture.finished(id);
        const [blobId] = [...fixture.blobs.stored.keys()];
        expect(fixture.blobs.stored.get(blobId ?? '')).toMatchObject({ organisation: 'globex' });
        const list = { $blob: blobId, mediaType: 'application/json', bytes: expect.any(Number) as number };
        expect(await fixture.output(id)).toEqual({ inside: { last: 39, size: 40 }, value: 40, reference: { list } });
      });

      it('refuses a blob reference that an expression spells together', async () => {
        const agent = await begin();
        const { id } = await fixture.submit({
          tasks: [script('a', { input: { image: { $blob: '${{ "blob_" + "01SOMEBODYELSES" }}' } } })],
        });
        const run = await fixture.finished(id);
        expect(run.error).toMatchObject({ code: 'permission_denied' });
        expect(agent.received).toEqual([]);
      });
    });

    describe('submit', () => {
      it('answers every problem at once and stores nothing', async () => {
        await begin();
        const refused = fixture.submit({ tasks: [script('a', { depends: ['b'] }), { id: 'c', uses: 'nothing' }] });
        await expect(refused).rejects.toMatchObject({
          code: 'invalid_run',
          details: {
            issues: [
              { path: 'tasks[0].depends[0]', code: 'unknown_task' },
              { path: 'tasks[1].uses', code: 'invalid_uses' },
            ],
          },
        });
        const { runs } = await fixture.client.listRuns({}, await fixture.permitted('listRuns'));
        expect(runs).toEqual([]);
      });

      it('is denied what its permit does not carry', async () => {
        await begin();
        const document = { input: { $blob: 'blob_01' }, tasks: [{ id: 'a', uses: 'model:acme/detect' }] };
        const access = [
          { action: 'create', resource: '/runs' },
          { action: 'infer', resource: '/models/acme/detect' },
        ];
        await expect(fixture.submit(document, { access })).rejects.toMatchObject({
          code: 'permission_denied',
          message: expect.stringContaining('/blobs/blob_01') as string,
        });
        await expect(fixture.submit(document, { access: access.slice(0, 1) })).rejects.toMatchObject({
          code: 'permission_denied',
        });
      });

      it('refuses a model that nobody offers, and says which was meant', async () => {
        await begin();
        await expect(fixture.submit({ tasks: [{ id: 'a', uses: 'model:acme/detct' }] })).rejects.toMatchObject({
          code: 'unknown_model',
          message: expect.stringContaining('did you mean "model:acme/detect"') as string,
        });
      });

      it('replays the same key with the same body, and refuses it with another', async () => {
        await begin();
        const document = { tasks: [script('a')] };
        const first = await fixture.submitRaw(document, { idempotencyKey: 'k1' });
        const again = await fixture.submitRaw(document, { idempotencyKey: 'k1' });
        expect([first.replayed, again.replayed, again.run?.id]).toEqual([false, true, first.run?.id]);
        await expect(fixture.submit({ tasks: [script('b')] }, { idempotencyKey: 'k1' })).rejects.toMatchObject({
          code: 'idempotency_conflict',
        });
        const other = await fixture.submitRaw(document, { idempotencyKey: 'k1', organisation: 'initech' });
        expect(other.replayed).toBe(false);
      });

      it('hides a run from every other organisation', async () => {
        await begin();
        const { id } = await fixture.submit({ tasks: [script('a')] });
        await expect(fixture.run(id, 'initech')).rejects.toMatchObject({ code: 'not_found' });
        const stranger = await fixture.permitted('cancelRun', { organisation: 'initech' });
        await expect(fixture.client.cancelRun({ runId: id }, stranger)).rejects.toMatchObject({ code: 'not_found' });
        const { runs } = await fixture.client.listRuns(
          {},
          await fixture.permitted('listRuns', { organisation: 'initech' }),
        );
        expect(runs).toEqual([]);
      });

      it('lists runs newest first, page by page', async () => {
        await begin();
        const ids: string[] = [];
        for (let i = 0; i < 5; i += 1) ids.unshift((await fixture.submit({ tasks: [script('a')] })).id);
        const seen: string[] = [];
        let cursor = '';
        do {
          const page = await fixture.client.listRuns(
            { page: { limit: 2, cursor } },
            await fixture.permitted('listRuns'),
          );
          seen.push(...page.runs.map((run) => run.id));
          cursor = page.nextCursor;
        } while (cursor !== '');
        expect(seen).toEqual(ids);
      });
    });

    describe('cancel', () => {
      it('ends everything, tells the agent, and a late success loses', async () => {
        const agent = await begin({}, () => 'started');
        const { id } = await fixture.submit({ tasks: [script('a'), script('b', { depends: ['a'] })] });
        await until('the task to run', async () => fixture.taskState(await fixture.run(id), 'a') === 'RUNNING');
        const { run } = await fixture.client.cancelRun(
          { runId: id, reason: 'enough' },
          await fixture.permitted('cancelRun'),
        );
        expect(RunState[run?.state ?? 0]).toBe('CANCELLED');
        expect(run?.error?.message).toBe('cancelled: enough');
        const work = agent.received[0]?.work;
        if (!work) throw new Error('no work');
        await until('the agent to be told', () => fixture.registry.stopped.includes(work.attemptId));
        await agent.report(work, output('late'));
        await until('the report to be taken', () => fixture.hub.waiting('scheduler.results') === 0);
        const after = await fixture.finished(id);
        expect(after.tasks.map((task) => fixture.taskState(after, task.id))).toEqual(['CANCELLED', 'CANCELLED']);
        const again = await fixture.client.cancelRun({ runId: id }, await fixture.permitted('cancelRun'));
        expect(again.run?.sequence).toBe(after.sequence);
        const { unknownAttemptIds } = await fixture.client.renewLeases(
          { agents: [{ agentId: 'agent_1', attemptIds: [work.attemptId] }] },
          await fixture.asRegistry('RenewLeases'),
        );
        expect(unknownAttemptIds).toEqual([work.attemptId]);
      });

      it('ends a run at its deadline', async () => {
        await begin({}, () => 'started');
        const { id } = await fixture.submit({ deadlineMs: 100, tasks: [script('a')] });
        const run = await fixture.finished(id);
        expect(RunState[run.state]).toBe('FAILED');
        expect(run.error).toMatchObject({ code: 'timeout', message: 'the run passed its deadline' });
      });
    });

    describe('time', () => {
      it('gives work whose lease is lost to another attempt, and refuses the first one’s late result', async () => {
        const agent = await begin({ settings: { COGMESH_SCHEDULER_LEASE_MS: '300' } }, ({ work }) =>
          work.attempt === 1 ? 'started' : output('second'),
        );
        const { id } = await fixture.submit({
          tasks: [script('a', { retry: { maxAttempts: 2, backoffMs: 1 } })],
          output: '${{ tasks.a.output }}',
        });
        const run = await fixture.finished(id);
        expect(RunState[run.state]).toBe('SUCCEEDED');
        expect(run.tasks[0]?.attempt).toBe(2);
        const first = agent.received[0]?.work;
        if (first) await agent.report(first, output('first'));
        await until('the report to be taken', () => fixture.hub.waiting('scheduler.results') === 0);
        expect(await fixture.output(id)).toBe('second');
        expect(fixture.registry.stopped).toContain(first?.attemptId);
      });

      it('keeps a lease that is renewed', async () => {
        const agent = await begin({ settings: { COGMESH_SCHEDULER_LEASE_MS: '400' } }, () => 'started');
        const { id } = await fixture.submit({ tasks: [script('a')] });
        await until('the task to run', async () => fixture.taskState(await fixture.run(id), 'a') === 'RUNNING');
        const attemptId = agent.received[0]?.work.attemptId ?? '';
        const end = Date.now() + 1_200;
        await until('three leases to pass', async () => {
          const answer = await fixture.client.renewLeases(
            { agents: [{ agentId: 'agent_1', attemptIds: [attemptId, 'f'.repeat(32)] }] },
            await fixture.asRegistry('RenewLeases'),
          );
          expect(answer.unknownAttemptIds).toEqual(['f'.repeat(32)]);
          return Date.now() > end;
        });
        expect(agent.received).toHaveLength(1);
        expect((await fixture.run(id)).tasks[0]?.attempt).toBe(1);
      });

      it('ends an attempt at its time-out and the task with it', async () => {
        await begin({}, () => 'started');
        const { id } = await fixture.submit({ tasks: [script('a', { timeoutMs: 80, retry: { maxAttempts: 1 } })] });
        const run = await fixture.finished(id);
        expect(run.error).toMatchObject({ code: 'timeout' });
      });

      it('takes back what nobody started, uncounted', async () => {
        let first = true;
        const agent = await begin({ settings: { COGMESH_SCHEDULER_START_WITHIN_MS: '200' } }, ({ work }) => {
          if (!first) return output(work.attempt);
          first = false;
          return 'silent';
        });
        const { id } = await fixture.submit({ tasks: [script('a')], output: '${{ tasks.a.output }}' });
        await fixture.finished(id);
        expect(await fixture.output(id)).toBe(1);
        expect(new Set(agent.attemptsOf('a')).size).toBe(2);
      });

      it('fails a task that no agent takes within its queue time-out, and says meanwhile what it waits for', async () => {
        await begin();
        const { id } = await fixture.submit({ tasks: [{ id: 'a', uses: 'tool:acme/lookup', queueTimeoutMs: 400 }] });
        const waiting = (await fixture.run(id)).tasks[0]?.waiting;
        expect(waiting).toMatchObject({
          code: 'no_agent',
          message: 'asks for tool:acme/lookup; no agent offers it in any version',
        });
        const run = await fixture.finished(id);
        expect(run.error).toMatchObject({ code: 'queue_timeout' });
      });
    });

    describe('reports', () => {
      it('returned unstarted goes out again and is not counted', async () => {
        let returned = 0;
        await begin({}, ({ work }) => {
          if (returned++ === 0) return { case: 'returned', value: { code: 'overloaded', reason: 'full' } };
          return output(work.attempt);
        });
        const agent = fixture.agents[0];
        if (agent) {
          // An agent that hands work back has not started it.
          agent.reportStarted = () => Promise.resolve();
        }
        const { id } = await fixture.submit({ tasks: [script('a')], output: '${{ tasks.a.output }}' });
        await fixture.finished(id);
        expect(await fixture.output(id)).toBe(1);
        expect(returned).toBe(2);
      });

      it('of anybody but the allowed senders end in the dead letters, readable by administrators only', async () => {
        const agent = await begin({}, () => 'started');
        const { id } = await fixture.submit({ tasks: [script('a')] });
        await until('the task to run', async () => fixture.taskState(await fixture.run(id), 'a') === 'RUNNING');
        const work = agent.received[0]?.work;
        if (!work) throw new Error('no work');
        const forger = new FakeAgent('agent_1', fixture.hub.connect('gateway'), () => 'silent');
        await forger.report(work, output('forged'));
        const asAdmin = await fixture.permitted('listDeadLetters', { roles: ['admin'] });
        const letters = await until('the dead letter', async () => {
          const { deadLetters } = await fixture.client.listDeadLetters({}, asAdmin);
          return deadLetters.length > 0 ? deadLetters : undefined;
        });
        expect(letters[0]).toMatchObject({
          queue: 'scheduler.results',
          messageType: 'cogmesh.inference.v1.ResultBatch',
        });
        expect(fixture.taskState(await fixture.run(id), 'a')).toBe('RUNNING');
        const asMember = await fixture.permitted('listDeadLetters');
        await expect(fixture.client.listDeadLetters({}, asMember)).rejects.toMatchObject({ code: 'permission_denied' });
        await agent.report(work, output('real'));
        expect(RunState[(await fixture.finished(id)).state]).toBe('SUCCEEDED');
        expect(await fixture.output(id, 'a')).toBe('real');
      });

      it('count once: duplicates and unknown attempts change nothing', async () => {
        const agent = await begin({}, () => 'started');
        const { id } = await fixture.submit({
          tasks: [script('a'), script('b', { depends: ['a'] })],
          output: '${{ tasks.a.output }}',
        });
        const a = await until('the first task', () => agent.received[0]?.work);
        await agent.report({ ...a, attemptId: 'e'.repeat(32) }, output('unknown'));
        await agent.report(a, output('first'));
        await agent.report(a, output('second'));
        const b = await until('the second task', () => agent.received[1]?.work);
        await agent.report(a, failure('internal', false));
        await agent.report(b, output('b'));
        const run = await fixture.finished(id);
        expect(RunState[run.state]).toBe('SUCCEEDED');
        expect(await fixture.output(id)).toBe('first');
        const ends = (await fixture.history(id)).filter((event) => event.taskId === 'a' && event.type === 'task.state');
        expect(ends.map((event) => schedulerV1.TaskState[event.taskState])).toEqual(['RUNNING', 'SUCCEEDED']);
      });
    });

    describe('agents', () => {
      it('never get more than their credits', async () => {
        fixture = await SchedulerFixture.open(where());
        const agents = [
          await fixture.addAgent('agent_1', waitForCompany, { script: 2 }),
          await fixture.addAgent('agent_2', waitForCompany, { script: 3 }),
        ];
        async function waitForCompany() {
          await until('all credits in use', () => agents.reduce((sum, agent) => sum + agent.running, 0) >= 5 || done());
          return output(1);
        }
        const done = () => agents.reduce((sum, agent) => sum + agent.received.length, 0) > 25;
        await fixture.start();
        const tasks = Array.from({ length: 30 }, (_, index) => script(`t${index}`));
        const { id } = await fixture.submit({ tasks });
        expect(RunState[(await fixture.finished(id)).state]).toBe('SUCCEEDED');
        expect(agents.map((agent) => agent.mostRunning)).toEqual([2, 3]);
      });

      it('that are lost give their unstarted work to others', async () => {
        const lost = await begin({}, () => 'silent');
        const { id } = await fixture.submit({ tasks: [script('a')], output: '${{ tasks.a.output }}' });
        await until('the work to be handed out', () => lost.received.length > 0);
        const agent = fixture.registry.agents.get('agent_1');
        fixture.registry.agents.set('agent_1', { ...agent, state: 4 } as never);
        await fixture.addAgent('agent_2', ({ work }) => output(work.attempt));
        const run = await fixture.finished(id);
        expect(run.tasks[0]?.agentId).toBe('agent_2');
        expect(await fixture.output(id)).toBe(1);
      });

      it('share a queue per capability with round-robin', async () => {
        fixture = await SchedulerFixture.open({ ...where(), settings: { COGMESH_SCHEDULER_STRATEGY: 'round-robin' } });
        const agent = await fixture.addAgent('agent_1', ({ input }) => output(input));
        await agent.start('inference_tasks.script');
        await fixture.start();
        const { id } = await fixture.submit({
          input: Array.from({ length: 20 }, (_, index) => index),
          tasks: [script('each', { forEach: '${{ input }}', input: '${{ item }}' })],
          output: '${{ tasks.each.output }}',
        });
        await fixture.finished(id);
        expect(await fixture.output(id)).toEqual(Array.from({ length: 20 }, (_, index) => index));
      });

      it('serve organisations in turn', async () => {
        const order: string[] = [];
        const agent = await begin({}, ({ work }) => {
          order.push(work.organisation);
          return output(1);
        });
        fixture.registry.agents.set('agent_1', {
          ...fixture.registry.agents.get('agent_1'),
          capabilities: [],
        } as never);
        await until('the credits to be gone', async () => {
          const probe = await fixture.submit({ tasks: [script('probe')] }, { organisation: 'probe' });
          const { run } = await fixture.client.getRun(
            { runId: probe.id },
            await fixture.permitted('getRun', { organisation: 'probe' }),
          );
          return run?.tasks[0]?.waiting?.code === 'no_agent';
        });
        const before = order.length;
        await fixture.submit(
          { tasks: Array.from({ length: 40 }, (_, index) => script(`t${index}`)) },
          { organisation: 'big' },
        );
        const small = await fixture.submit({ tasks: [script('a'), script('b')] });
        fixture.registry.agents.set('agent_1', {
          ...fixture.registry.agents.get('agent_1'),
          capabilities: [{ name: 'script', credits: 1, ready: true }],
        } as never);
        await fixture.finished(small.id);
        const served = order.slice(before).filter((organisation) => organisation !== 'probe');
        const untilSmallWasDone = served.slice(0, served.lastIndexOf('globex'));
        expect(untilSmallWasDone.filter((organisation) => organisation === 'big').length).toBeLessThanOrEqual(3);
        expect(agent.mostRunning).toBeLessThanOrEqual(8);
      });
    });

    describe('a crash', () => {
      it('in the middle of a run loses nothing and accepts nothing twice', async () => {
        const agent = await begin({}, async ({ input }) => {
          await new Promise((resolve) => setImmediate(resolve));
          return output(input);
        });
        const list = Array.from({ length: 200 }, (_, index) => index);
        const { id } = await fixture.submit({
          input: list,
          tasks: [
            script('each', { forEach: '${{ input }}', input: '${{ item }}' }),
            script('sum', { input: '${{ tasks.each.output }}' }),
          ],
          output: '${{ tasks.sum.output }}',
        });
        for (const after of [40, 90, 140]) {
          await until(`${after} items`, () => agent.received.length >= after);
          expect((await fixture.run(id)).finishedAt).toBeUndefined();
          await fixture.crash();
          await fixture.start();
        }
        const run = await fixture.finished(id);
        expect(RunState[run.state]).toBe('SUCCEEDED');
        expect(await fixture.output(id)).toEqual(list);
        expect(run.tasks[0]?.items).toMatchObject({ total: 200, succeeded: 200, failed: 0 });
        const events = await fixture.history(id);
        expect(events.map((event) => Number(event.sequence))).toEqual(events.map((_, index) => index + 1));
        const successes = events.filter(
          (event) =>
            event.taskId === 'each' && event.index !== undefined && event.taskState === schedulerV1.TaskState.SUCCEEDED,
        );
        expect(successes).toHaveLength(200);
        expect(new Set(successes.map((event) => event.index)).size).toBe(200);
        // Three crashes repeat at most what was in flight: the agent's eight credits each time.
        expect(agent.received.length).toBeLessThanOrEqual(201 + 3 * 8);
      });

      it('after the claim and before the publication publishes the same attempt', async () => {
        fixture = await SchedulerFixture.open(where());
        const agent = await fixture.addAgent('agent_1', ({ work }) => output(work.attemptId));
        await agent.stop();
        await fixture.start();
        const { id } = await fixture.submit({ tasks: [script('a')], output: '${{ tasks.a.output }}' });
        await until('the work to be published', () => fixture.hub.waiting('agent.agent_1.work') > 0);
        const row = sql<{ id: string; state: string }>`select attempt_id as id, state from tasks where run_id = ${id}`;
        // The note of a publication follows it; what is written here must be the last word.
        await until('the note', async () => (await fixture.database.query(row))[0]?.state === 'PUBLISHED');
        const claimed = await fixture.database.query(row);
        await fixture.database.execute(sql`update tasks set state = 'CLAIMED' where run_id = ${id}`);
        await fixture.crash();
        await fixture.start();
        await agent.start();
        await fixture.finished(id);
        expect(await fixture.output(id)).toBe(claimed[0]?.id);
      });
    });

    describe('trouble of one run', () => {
      it('with a stored output that is gone fails that run and no other', async () => {
        const gone = { $blob: 'blob_gone', mediaType: 'application/json', bytes: 9 };
        await begin({}, ({ work, input }) => output(work.taskId === 'a' ? gone : input));
        const bad = await fixture.submit({ tasks: [script('a'), script('b', { input: '${{ tasks.a.output.x }}' })] });
        const good = await fixture.submit({ tasks: [script('c', { input: 1 })] }, { organisation: 'initech' });
        const run = await fixture.finished(bad.id);
        expect(run.error).toMatchObject({ code: 'not_found' });
        await until('the other run', async () => (await fixture.run(good.id, 'initech')).state === RunState.SUCCEEDED);
      });

      it('waits for a gateway that does not answer, while others go on', async () => {
        await begin({}, ({ input }) => output(input));
        const { address } = fixture.blobs;
        await fixture.blobs.server.stop();
        const long = 'x'.repeat(40_000);
        const each = script('each', { forEach: '${{ [1, 2] }}', input: '${{ input }}' });
        const waiting = await fixture.submit({ input: long, tasks: [each], output: '${{ size(tasks.each.output) }}' });
        await until('the items', async () => (await fixture.run(waiting.id)).tasks[0]?.items?.succeeded === 2);
        const other = await fixture.submit({ tasks: [script('a')] });
        expect(RunState[(await fixture.finished(other.id)).state]).toBe('SUCCEEDED');
        expect(fixture.taskState(await fixture.run(waiting.id), 'each')).toBe('RUNNING');
        fixture.blobs = await startBlobs(address);
        await fixture.finished(waiting.id);
        expect(await fixture.output(waiting.id)).toBe(2);
      });

      it('that agents keep handing back does not spin', async () => {
        const full: Behaviour = () => ({ case: 'returned', value: { code: 'overloaded', reason: 'full' } });
        const agent = await begin({}, full);
        agent.reportStarted = () => Promise.resolve();
        const { id } = await fixture.submit({ tasks: [script('a')], output: '${{ tasks.a.output }}' });
        await until('four hand-overs', () => agent.received.length >= 4);
        agent.behaviour = ({ work }) => output(work.attempt);
        await fixture.finished(id);
        // 50 + 100 + 200 ms and more lie between them.
        expect(agent.received.length).toBeLessThanOrEqual(6);
        expect(await fixture.output(id)).toBe(1);
      });
    });

    describe('a broker that is down', () => {
      it('delays work, which then goes out under the attempt that was claimed', async () => {
        const agent = await begin({}, ({ work }) => output(work.attemptId));
        const repair = fixture.breakBus();
        const { id } = await fixture.submit({ tasks: [script('a')], output: '${{ tasks.a.output }}' });
        const attemptOf = () =>
          fixture.database.query(sql<{ id: string | null }>`select attempt_id as id from tasks where run_id = ${id}`);
        const claimed = await until('the claim', async () => (await attemptOf())[0]?.id ?? undefined);
        await until('three tries', () => fixture.failedPublications >= 3);
        expect(agent.received).toEqual([]);
        repair();
        await fixture.finished(id);
        expect(await fixture.output(id)).toBe(claimed);
        expect(agent.received).toHaveLength(1);
      });
    });
  });
}
