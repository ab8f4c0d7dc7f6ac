/**
 * What a caller may do to a run and what a run may ask for, whatever the database: failure policies, approvals, nested runs,
 * pauses, priorities, retries, dead letters.
 */
import { messageTo } from '@cogmesh/bus';
import { schedulerV1, workV1 } from '@cogmesh/contracts';
import { sql } from '@cogmesh/database';
import { afterEach, describe, expect, it } from 'vitest';
import { failure, output, type Behaviour } from '../test/fake-agent.js';
import { SqlDeadLetters } from './adapters/sql-dead-letters.js';
import { SchedulerFixture, until, type FixtureOptions } from '../test/scheduler-fixture.js';

const { RunState } = schedulerV1;
const script = (id: string, fields: object = {}) => ({ id, uses: 'script', script: 'return input', ...fields });
const once = { maxAttempts: 1 };

/** `where` opens an empty database for each test. */
export function flowContract(name: string, where: () => FixtureOptions): void {
  describe(`flow on ${name}`, () => {
    let fixture: SchedulerFixture;
    async function begin(behaviour: Behaviour = ({ input }) => output(input), options: FixtureOptions = {}) {
      fixture = await SchedulerFixture.open({ ...where(), ...options });
      const agent = await fixture.addAgent('agent_1', behaviour);
      await fixture.start();
      return agent;
    }
    afterEach(() => fixture.close());

    const statesOf = (run: schedulerV1.Run) => run.tasks.map(({ id }) => `${id} ${fixture.taskState(run, id)}`);
    const stateIs = (runId: string, task: string, state: string) =>
      until(`${task} to be ${state}`, async () => fixture.taskState(await fixture.run(runId), task) === state);
    const onRun = (action: string, runId: string) => [{ action, resource: `/runs/${runId}` }];
    const createScripts = [{ action: 'create', resource: '/runs' }];

    async function signal(
      runId: string,
      { taskId = 'ask', index, approved = true, comment = '', sub = 'ada', roles = ['member'] }: Signal = {},
    ) {
      const permitted = await fixture.permitted('signalTask', { access: onRun('approve', runId), sub, roles });
      const item = index === undefined ? {} : { index };
      return fixture.client.signalTask({ runId, taskId, ...item, approved, comment, dataJson: '{"n":1}' }, permitted);
    }
    const steer = async (method: 'pauseRun' | 'resumeRun', runId: string) =>
      (await fixture.client[method]({ runId }, await fixture.permitted(method, { access: onRun('write', runId) }))).run;
    const retry = async (request: {
      runId: string;
      fromFailed: boolean;
      inputJson?: string;
      idempotencyKey?: string;
    }) => (await fixture.client.retryRun(request, await fixture.permitted('retryRun', { access: createScripts }))).run;

    describe('onFailure', () => {
      const document = (onFailure: string) => ({
        tasks: [
          script('bad', { retry: once, onFailure }),
          script('child', { depends: ['bad'], input: { bad: '${{ tasks.bad.output }}' } }),
          script('grandchild', { depends: ['child'] }),
          script('other', { input: 1 }),
          script('next', { depends: ['other'] }),
        ],
      });
      const behave: Behaviour = ({ work, input }) =>
        work.taskId === 'bad' ? failure('invalid_input', false) : output(input);

      it('continue: descendants are skipped, the rest goes on, the run fails at its end', async () => {
        await begin(behave);
        const { id } = await fixture.submit(document('continue'));
        const run = await fixture.finished(id);
        expect(statesOf(run)).toEqual([
          'bad FAILED',
          'child SKIPPED',
          'grandchild SKIPPED',
          'other SUCCEEDED',
          'next SUCCEEDED',
        ]);
        expect(RunState[run.state]).toBe('FAILED');
        expect(run.error).toMatchObject({ code: 'invalid_input', message: 'task bad failed: it said invalid_input' });
        expect(run.tasks[1]?.error?.message).toBe('skipped, because bad failed');
      });

      it('ignore: children run with output null and the run succeeds', async () => {
        await begin(behave);
        const { id } = await fixture.submit(document('ignore'));
        const run = await fixture.finished(id);
        expect(statesOf(run)).toEqual([
          'bad FAILED',
          'child SUCCEEDED',
          'grandchild SUCCEEDED',
          'other SUCCEEDED',
          'next SUCCEEDED',
        ]);
        expect(RunState[run.state]).toBe('SUCCEEDED');
        expect(await fixture.output(id, 'child')).toEqual({ bad: null });
      });

      it('drops what is left of a forEach that failed while the run goes on', async () => {
        const agent = await begin(({ input }) => (input === 1 ? failure('invalid_input', false) : output(input)));
        const { id } = await fixture.submit({
          input: [0, 1, 2, 3],
          tasks: [
            script('each', { forEach: '${{ input }}', input: '${{ item }}', maxParallel: 1, onFailure: 'ignore' }),
            script('then', { depends: ['each'], input: 'went on' }),
          ],
        });
        const run = await fixture.finished(id);
        expect([RunState[run.state], ...statesOf(run)]).toEqual(['SUCCEEDED', 'each FAILED', 'then SUCCEEDED']);
        expect(agent.received.map(({ input }) => input)).toEqual([0, 1, 'went on']);
      });

      it('gives null for items that fail where that is allowed', async () => {
        await begin(({ input }) => (input === 1 ? failure('invalid_input', false) : output(input)));
        const { id } = await fixture.submit({
          input: [0, 1, 2],
          tasks: [script('each', { forEach: '${{ input }}', input: '${{ item }}', itemFailure: 'continue' })],
          output: '${{ tasks.each.output }}',
        });
        const run = await fixture.finished(id);
        expect(RunState[run.state]).toBe('SUCCEEDED');
        expect(await fixture.output(id)).toEqual([0, null, 2]);
        expect(run.tasks[0]?.items).toMatchObject({ total: 3, succeeded: 2, failed: 1 });
      });
    });

    describe('retries', () => {
      it('follow the codes their policy names', async () => {
        const agent = await begin(({ work }) =>
          work.attempt > 1
            ? output('at last')
            : failure(work.taskId === 'on' ? 'no_luck' : 'engine_crashed', work.taskId !== 'on'),
        );
        const { id } = await fixture.submit({
          tasks: [
            script('on', { retry: { backoffMs: 1, on: ['no_luck'] }, onFailure: 'ignore' }),
            script('not', { retry: { backoffMs: 1, notOn: ['engine_crashed'] }, onFailure: 'ignore' }),
          ],
        });
        expect(statesOf(await fixture.finished(id))).toEqual(['on SUCCEEDED', 'not FAILED']);
        expect([agent.attemptsOf('on').length, agent.attemptsOf('not').length]).toEqual([2, 1]);
      });

      it('stop at a task that takes every agent down with it', async () => {
        const settings = { COGMESH_SCHEDULER_LEASE_MS: '200', COGMESH_SCHEDULER_POISON_AFTER: '2' };
        const agent = await begin(() => 'started', { settings });
        const { id } = await fixture.submit({ tasks: [script('a', { retry: { maxAttempts: 50, backoffMs: 1 } })] });
        const run = await fixture.finished(id);
        expect(run.tasks[0]?.error).toMatchObject({ code: 'poison', retryable: false });
        expect(agent.attemptsOf('a')).toHaveLength(2);
      });

      it('leave a task its own heartbeat time-out', async () => {
        await begin(() => 'started', { settings: { COGMESH_SCHEDULER_LEASE_MS: '200' } });
        const { id } = await fixture.submit({
          tasks: [
            script('patient', { heartbeatTimeoutMs: 60_000 }),
            script('usual', { retry: once, onFailure: 'continue' }),
          ],
        });
        await stateIs(id, 'usual', 'FAILED');
        expect(fixture.taskState(await fixture.run(id), 'patient')).toBe('RUNNING');
      });
    });

    describe('an approval', () => {
      const document = (input: object, fields: object = {}) => ({
        tasks: [{ id: 'ask', uses: 'approval', input, ...fields }, script('then', { depends: ['ask'] })],
        output: '${{ tasks.ask.output }}',
      });

      it('waits for one who may, and says who, when and why', async () => {
        await begin();
        const { id } = await fixture.submit(document({ message: 'pay ${{ run.name }}?', roles: ['boss'] }));
        await stateIs(id, 'ask', 'WAITING');
        await expect(signal(id)).rejects.toMatchObject({ code: 'permission_denied' });
        const { missing } = await signal(id, { comment: 'fine', roles: ['boss'] });
        expect(missing).toBe(0);
        expect(RunState[(await fixture.finished(id)).state]).toBe('SUCCEEDED');
        expect(await fixture.output(id)).toEqual({
          approved: true,
          approvals: [
            {
              by: 'ada',
              issuer: 'https://globex.example',
              at: expect.stringMatching(/^\d{4}-.*Z$/) as string,
              comment: 'fine',
              data: { n: 1 },
            },
          ],
        });
        await expect(signal(id, { roles: ['boss'] })).rejects.toMatchObject({ code: 'failed_precondition' });
      });

      it('of two needs two different people', async () => {
        await begin();
        const { id } = await fixture.submit(document({ approvers: 2 }));
        await stateIs(id, 'ask', 'WAITING');
        expect((await signal(id)).missing).toBe(1);
        expect((await signal(id)).missing).toBe(1);
        expect(fixture.taskState(await fixture.run(id), 'ask')).toBe('WAITING');
        expect((await signal(id, { sub: 'grace' })).missing).toBe(0);
        await fixture.finished(id);
        const { approvals } = (await fixture.output(id)) as { approvals: { by: string }[] };
        expect(approvals.map(({ by }) => by)).toEqual(['ada', 'grace']);
      });

      it('that is refused fails its task', async () => {
        await begin();
        const { id } = await fixture.submit(document({}));
        await stateIs(id, 'ask', 'WAITING');
        await signal(id, { approved: false, comment: 'too dear' });
        const run = await fixture.finished(id);
        expect(run.tasks[0]?.error).toMatchObject({ code: 'refused', message: 'refused by ada: too dear' });
        expect(statesOf(run)).toEqual(['ask FAILED', 'then SKIPPED']);
      });

      it('of each item is answered by its index', async () => {
        await begin();
        const each = { forEach: '${{ input }}', itemFailure: 'continue' };
        const ask = { id: 'ask', uses: 'approval', input: { message: 'Pay ${{ item }}?' }, ...each };
        const { id } = await fixture.submit({ input: [10, 20, 30], tasks: [ask], output: '${{ tasks.ask.output }}' });
        const asked = async (index: number) => {
          const permitted = await fixture.permitted('explainWaiting');
          // There is no such item before the list is computed.
          const answer = fixture.client.explainWaiting({ runId: id, taskId: 'ask', index }, permitted);
          return (await answer.catch(() => undefined))?.waiting?.code;
        };
        await until('all to be asked', async () => (await asked(0)) === 'approval' && (await asked(2)) === 'approval');
        await expect(signal(id)).rejects.toMatchObject({ code: 'failed_precondition', message: /with an index/ });
        await expect(signal(id, { index: 3 })).rejects.toMatchObject({ code: 'not_found', message: /ask\[3\]/ });
        expect(await signal(id, { index: 2, comment: 'fine' })).toMatchObject({ missing: 0 });
        await expect(signal(id, { index: 2 })).rejects.toMatchObject({ code: 'failed_precondition' });
        await signal(id, { index: 1, approved: false });
        await signal(id, { index: 0 });
        const run = await fixture.finished(id);
        expect(RunState[run.state]).toBe('SUCCEEDED');
        expect(run.tasks[0]?.items).toMatchObject({ total: 3, succeeded: 2, failed: 1 });
        expect(await fixture.output(id)).toMatchObject([
          { approved: true },
          null,
          { approvals: [{ by: 'ada', comment: 'fine', data: { n: 1 } }] },
        ]);
        const told = (await fixture.history(id)).filter(({ dataJson }) => /approval"|signal"/.test(dataJson));
        const indexes = told.map(({ index }) => index);
        expect([indexes.slice(0, 3).sort(), indexes.slice(3)]).toEqual([[0, 1, 2], [2, 1, 0]]); // prettier-ignore
        expect(told.find(({ index }) => index === 0)?.dataJson).toContain('Pay 10?');
      });

      it('that nobody answers in time fails, and needs the right to approve', async () => {
        await begin();
        const { id } = await fixture.submit(document({}, { timeoutMs: 400 }));
        await stateIs(id, 'ask', 'WAITING');
        const request = { runId: id, taskId: 'ask', approved: true };
        await expect(fixture.client.signalTask(request, await fixture.permitted('signalTask'))).rejects.toMatchObject({
          code: 'permission_denied',
        });
        expect((await fixture.finished(id)).tasks[0]?.error).toMatchObject({ code: 'approval_timeout' });
      });
    });

    describe('a nested run', () => {
      const inner = { tasks: [script('x', { input: { got: '${{ input }}' } })], output: '${{ tasks.x.output }}' };
      const nested = (fields: object = {}) => ({ id: 'sub', uses: 'run', document: inner, ...fields });
      const childOf = async (runId: string) => {
        const { runs } = await fixture.client.listRuns({}, await fixture.permitted('listRuns'));
        return runs.find((run) => run.parentRunId === runId);
      };

      it('gets its input from its task and gives it its output', async () => {
        await begin();
        const { id } = await fixture.submit({
          input: 7,
          tasks: [
            nested({ input: '${{ input + 1 }}' }),
            nested({ id: 'each', forEach: '${{ [1, 2] }}', input: '${{ item }}' }),
          ],
          output: { sub: '${{ tasks.sub.output }}', each: '${{ tasks.each.output }}' },
        });
        const run = await fixture.finished(id);
        expect(run.error).toBeUndefined();
        expect(await fixture.output(id)).toEqual({ sub: { got: 8 }, each: [{ got: 1 }, { got: 2 }] });
        const child = await childOf(id);
        expect(child).toMatchObject({ organisation: 'globex', submittedBy: 'ada', traceId: run.traceId });
      });

      it('cannot name a model that nobody offers', async () => {
        await begin();
        const document = { tasks: [nested({ document: { tasks: [{ id: 'm', uses: 'model:acme/detct' }] } })] };
        await expect(fixture.submit(document)).rejects.toMatchObject({
          code: 'unknown_model',
          details: { issues: [{ path: 'tasks[0].document.tasks[0].uses', code: 'unknown_model' }] },
        });
      });

      it('that fails takes its task along', async () => {
        await begin(() => failure('invalid_input', false));
        const { id } = await fixture.submit({ tasks: [nested()] });
        const run = await fixture.finished(id);
        expect(run.tasks[0]?.error).toMatchObject({ code: 'invalid_input' });
        expect(run.tasks[0]?.error?.message).toContain('task x failed: it said invalid_input');
      });

      it('is cancelled with the run it is in, at any depth', async () => {
        const agent = await begin(() => 'started');
        const { id } = await fixture.submit({ tasks: [nested({ document: { tasks: [nested({ id: 'deeper' })] } })] });
        await until('the work to start', () => agent.received.length === 1);
        await fixture.client.cancelRun({ runId: id }, await fixture.permitted('cancelRun'));
        await until('all three to be cancelled', async () => {
          const rows = await fixture.database.query(sql<{ state: string }>`select state from runs`);
          return rows.length === 3 && rows.every((row) => row.state === 'CANCELLED');
        });
        await until('the agent to be told', () =>
          fixture.registry.stopped.includes(agent.received[0]?.work.attemptId ?? ''),
        );
      });

      it('is cancelled after a crash that came between the end of its task and its own', async () => {
        const agent = await begin(() => 'started');
        const { id } = await fixture.submit({ tasks: [nested()] });
        await until('the work to start', () => agent.received.length === 1);
        const child = await childOf(id);
        await fixture.stop();
        await fixture.start();
        expect((await fixture.run(child?.id ?? '')).finishedAt).toBeUndefined();
        await fixture.database.execute(sql`update tasks set state = 'CANCELLED' where run_id = ${id}`);
        await fixture.crash();
        await fixture.start();
        const run = await fixture.finished(child?.id ?? '');
        expect(RunState[run.state]).toBe('CANCELLED');
      });

      it('keeps to the deadline of the run it is in', async () => {
        const agent = await begin(() => 'started');
        const { id } = await fixture.submit({ deadlineMs: 700, tasks: [nested()] });
        await until('the work to start', () => agent.received.length === 1);
        expect(RunState[(await fixture.finished(id)).state]).toBe('FAILED');
        const child = await childOf(id);
        await until('the nested run to end', async () => (await fixture.run(child?.id ?? '')).finishedAt);
      });
    });

    describe('a pause', () => {
      it('starts nothing, survives a restart, and holds timers until the run is resumed', async () => {
        const waits: (() => void)[] = [];
        const agent = await begin(async ({ work, input }) => {
          if (work.taskId === 'slow') await new Promise<void>((resolve) => waits.push(resolve));
          return output(input);
        });
        const { id } = await fixture.submit({
          tasks: [
            script('slow'),
            script('after', { depends: ['slow'] }),
            { id: 'rest', uses: 'sleep', input: { durationMs: 1_500 } },
          ],
        });
        await until('the slow task', () => waits.length === 1);
        await stateIs(id, 'rest', 'WAITING');
        expect(await steer('pauseRun', id)).toMatchObject({ paused: true, state: RunState.PAUSED });
        waits[0]?.();
        await stateIs(id, 'after', 'READY');
        const timers = () =>
          fixture.database.query(sql<{ due: number | null; held: number }>`select due_at as due, held_ms as held
            from tasks where run_id = ${id} and task_id = 'rest'`);
        const [before] = await timers();
        expect(before).toMatchObject({ due: null });
        expect(before?.held).toBeGreaterThan(0);
        await fixture.stop();
        await fixture.start();
        expect(await timers()).toEqual([before]);
        const held = await fixture.run(id);
        expect(statesOf(held)).toEqual(['slow SUCCEEDED', 'after READY', 'rest WAITING']);
        expect(held.tasks[1]?.waiting).toMatchObject({ code: 'paused' });
        expect((await steer('pauseRun', id))?.sequence).toBe(held.sequence);
        const other = await fixture.submit({ tasks: [script('else')] });
        await fixture.finished(other.id);
        expect(agent.attemptsOf('after')).toEqual([]);
        await steer('resumeRun', id);
        expect(RunState[(await fixture.finished(id)).state]).toBe('SUCCEEDED');
        await expect(steer('pauseRun', id)).rejects.toMatchObject({ code: 'failed_precondition' });
      });

      it('needs the right to write', async () => {
        await begin(() => 'started');
        const { id } = await fixture.submit({ tasks: [script('a')] });
        await expect(fixture.client.pauseRun({ runId: id }, await fixture.permitted('pauseRun'))).rejects.toMatchObject(
          { code: 'permission_denied' },
        );
      });
    });

    it('takes waiting tasks in the order of their new priority', async () => {
      let release: (() => void) | undefined;
      fixture = await SchedulerFixture.open(where());
      const behave: Behaviour = async ({ work, input }) => {
        if (work.taskId === 'first') await new Promise<void>((resolve) => (release = resolve));
        return output(input);
      };
      const agent = await fixture.addAgent('agent_1', behave, { script: 1 });
      await fixture.start();
      const blocker = await fixture.submit({ tasks: [script('first')] });
      await until('the agent to be busy', () => release);
      const low = await fixture.submit({ priority: 1, tasks: [script('low'), script('own', { priority: 0 })] });
      const high = await fixture.submit({ priority: 5, tasks: [script('high')] });
      const request = { runId: low.id, priority: 9 };
      const permitted = await fixture.permitted('setPriority', { access: onRun('write', low.id) });
      const { run } = await fixture.client.setPriority(request, permitted);
      expect(run?.priority).toBe(9);
      release?.();
      for (const { id } of [blocker, low, high]) await fixture.finished(id);
      expect(agent.received.map(({ work }) => work.taskId)).toEqual(['first', 'low', 'high', 'own']);
    });

    describe('another run of the same document', () => {
      const document = {
        input: 2,
        tasks: [
          script('good', { input: '${{ input * 10 }}' }),
          script('bad', { depends: ['good'], input: '${{ tasks.good.output }}', retry: once }),
          script('last', { depends: ['bad'], input: '${{ tasks.bad.output }}' }),
        ],
        output: '${{ tasks.last.output }}',
      };

      it('from the failed task adopts what succeeded', async () => {
        let isBroken = true;
        const agent = await begin(({ work, input }) =>
          work.taskId === 'bad' && isBroken ? failure('invalid_input', false) : output(input),
        );
        const { id } = await fixture.submit(document);
        await fixture.finished(id);
        isBroken = false;
        const again = await retry({ runId: id, fromFailed: true, idempotencyKey: 'r1' });
        expect(again).toMatchObject({ originRunId: id });
        const run = await fixture.finished(again?.id ?? '');
        expect(statesOf(run)).toEqual(['good SUCCEEDED', 'bad SUCCEEDED', 'last SUCCEEDED']);
        expect(await fixture.output(run.id)).toBe(20);
        expect(agent.attemptsOf('good')).toHaveLength(1);
        expect((await retry({ runId: id, fromFailed: true, idempotencyKey: 'r1' }))?.id).toBe(run.id);
        const events = await fixture.history(run.id);
        expect(events.map((event) => Number(event.sequence))).toEqual(events.map((_, index) => index + 1));
        await expect(retry({ runId: run.id, fromFailed: true })).rejects.toMatchObject({ code: 'failed_precondition' });
      });

      it('runs it whole, with the same or another input, for whom has the rights', async () => {
        await begin();
        const { id } = await fixture.submit(document);
        await fixture.finished(id);
        const same = await retry({ runId: id, fromFailed: false });
        const other = await retry({ runId: id, fromFailed: false, inputJson: '5' });
        await fixture.finished(same?.id ?? '');
        await fixture.finished(other?.id ?? '');
        expect(await fixture.output(same?.id ?? '')).toBe(20);
        expect(await fixture.output(other?.id ?? '')).toBe(50);
        await expect(fixture.client.retryRun({ runId: id }, await fixture.permitted('retryRun'))).rejects.toMatchObject(
          { code: 'permission_denied', details: { missing: createScripts } },
        );
      });
    });

    it('replays a dead letter for an administrator, under the name of its sender', async () => {
      await begin();
      const letters = async () =>
        (await fixture.client.listDeadLetters({}, await fixture.permitted('listDeadLetters', { roles: ['admin'] })))
          .deadLetters;
      const replay = async (id: string, roles: readonly string[] = ['admin']) =>
        fixture.client.replayDeadLetter({ id }, await fixture.permitted('replayDeadLetter', { roles }));
      const { type, body } = messageTo({ queue: 'scheduler.results' }, workV1.ResultBatchSchema, { results: [] });
      const died = (id: string, sender: string, content: Uint8Array) =>
        new SqlDeadLetters(fixture.database, () => id).store({
          ...{ id, queue: 'scheduler.results', reason: 'expired', type, headers: {} },
          ...{ sender, body: content },
        });
      await died('dead_good', 'worker', body);
      await died('dead_garbage', 'worker', new Uint8Array([255]));
      await died('dead_forged', 'gateway', body);
      await expect(replay('dead_good', ['member'])).rejects.toMatchObject({ code: 'permission_denied' });
      await replay('dead_good');
      for (const refused of ['dead_garbage', 'dead_forged']) {
        await expect(replay(refused)).rejects.toMatchObject({ code: 'failed_precondition' });
      }
      await expect(replay('dead_good')).rejects.toMatchObject({ code: 'not_found' });
      expect((await letters()).map(({ id }) => id).sort()).toEqual(['dead_forged', 'dead_garbage']);
    });
  });
}

interface Signal {
  readonly index?: number;
  readonly taskId?: string;
  readonly approved?: boolean;
  readonly comment?: string;
  readonly sub?: string;
  readonly roles?: readonly string[];
}
