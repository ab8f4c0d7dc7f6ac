import { beforeEach, describe, expect, it } from 'vitest';
import { error, EngineWorld, leaseMs, output, poisonAfter, script } from '../../test/engine-world.js';
import { expand } from './expand.js';
import type { TaskRow } from './rows.js';

let world: EngineWorld;
beforeEach(async () => {
  world = await EngineWorld.open();
});

const failing = error('invalid_input');

/** The forEach of a run as `controls` would expand it. */
function expanded(runId: string, taskId: string, list: readonly number[]): Promise<void> {
  return world.decide(runId, (unit, outcomes, run) => {
    const parent = run.task(taskId) as TaskRow;
    expand(unit, outcomes, { parent, plan: run.plan(taskId), list, maxExpandedTasks: 1_000 });
  });
}

describe('an end releases', () => {
  it('each child once its last dependency is met, whatever order and batch they come in', async () => {
    const many = Array.from({ length: 50 }, (_, index) => `t${index}`);
    const id = await world.submit({ tasks: [...many.map((each) => script(each)), script('join', { depends: many })] });
    const attempts: string[] = [];
    for (const each of many) attempts.push(await world.start(id, each));
    const reports = attempts.map((attemptId) => ({
      attemptId,
      runId: id,
      agentId: 'agent_1',
      source: attemptId,
      outcome: output(1),
    }));
    await world.do(world.intake.results(reports.slice(20)));
    expect(world.task(id, 'join')).toMatchObject({ state: 'BLOCKED', pending: 20 });
    const { told, released } = await world.do(world.intake.results([...reports, ...reports]));
    expect([told.length, [...released]]).toEqual([20, [[id, 1]]]);
    expect(world.task(id, 'join')).toMatchObject({ state: 'READY', pending: 0, readyAt: world.clock.now() });
    expect(world.told('ready').filter(({ taskId }) => taskId === 'join')).toHaveLength(1);
  });

  it('without a look at the rest of the run', async () => {
    const id = await world.submit({ tasks: [script('a'), script('b', { depends: ['a'] }), script('c')] });
    const attempt = await world.start(id, 'a');
    const run = world.engine.residents.get(id);
    if (!run) throw new Error('it is in memory');
    const whole = [run.open.bind(run), run.dependencies.bind(run)] as const;
    run.open = run.dependencies = () => {
      throw new Error('the whole run was looked at');
    };
    expect(await world.report(id, attempt)).toBe(1);
    [run.open, run.dependencies] = whole;
    expect(world.states(id)).toBe('a SUCCEEDED, b READY, c READY');
  });

  it('and its run, once, when it was the last', async () => {
    const id = await world.submit({ tasks: [script('a'), script('b')] });
    await world.succeed(id, 'a');
    expect(world.told('finalise')).toEqual([]);
    await world.succeed(id, 'b');
    await world.decide(id, () => undefined);
    expect(world.told('finalise')).toEqual([id]);
  });
});

describe('onFailure', () => {
  const document = (onFailure: string) => ({
    tasks: [
      script('bad', { onFailure }),
      script('slow'),
      script('child', { depends: ['bad'] }),
      script('grandchild', { depends: ['child'] }),
      script('next', { depends: ['slow'] }),
    ],
  });

  it.each([
    ['fail', 'bad FAILED, slow RUNNING, child SKIPPED, grandchild SKIPPED, next CANCELLED'],
    ['continue', 'bad FAILED, slow RUNNING, child SKIPPED, grandchild SKIPPED, next BLOCKED'],
    ['ignore', 'bad FAILED, slow RUNNING, child READY, grandchild BLOCKED, next BLOCKED'],
  ])('%s: %s', async (policy, states) => {
    const id = await world.submit(document(policy));
    await world.start(id, 'slow');
    expect(await world.report(id, await world.start(id, 'bad'), failing)).toBe(1);
    expect(world.states(id)).toBe(states);
    const { row } = world.run(id);
    const failure = expect.stringContaining('task bad failed: it said invalid_input') as string;
    expect(row.error).toEqual(policy === 'fail' ? failure : null);
    expect(row.failure).toEqual(policy === 'continue' ? failure : null);
    expect(world.task(id, 'bad').output).toBe(policy === 'ignore' ? 'null' : null);
  });

  it('tells why what did not start did not', async () => {
    const id = await world.submit(document('fail'));
    await world.start(id, 'slow');
    await world.report(id, await world.start(id, 'bad'), failing);
    const told = world.run(id).history.filter(({ taskState }) => taskState === 'SKIPPED' || taskState === 'CANCELLED');
    expect(told.map(({ taskId, error: why }) => [taskId, (JSON.parse(why ?? '') as Error).message])).toEqual([
      ['child', 'skipped, because bad failed'],
      ['grandchild', 'skipped, because bad failed'],
      ['next', 'not started, because bad failed'],
    ]);
  });

  it('lets what runs in a failed run end, and nothing begin again', async () => {
    const retry = { maxAttempts: 5, backoffMs: 10 };
    const id = await world.submit({
      tasks: [script('bad'), script('good'), script('again', { retry }), script('late')],
    });
    const [good, again, late] = [
      await world.start(id, 'good'),
      await world.start(id, 'again'),
      await world.claim(id, 'late'),
    ];
    await world.report(id, await world.start(id, 'bad'), failing);
    await world.report(id, good);
    await world.report(id, again, error('engine_crashed', true));
    await world.report(id, late, { case: 'returned' });
    expect(world.states(id)).toBe('bad FAILED, good SUCCEEDED, again FAILED, late CANCELLED');
    expect(world.told('finalise')).toEqual([id]);
    expect(world.told('ready').map(({ taskId }) => taskId)).toEqual(['bad', 'good', 'again', 'late']);
  });
});

describe('retries', () => {
  it('wait for longer each time, until attempts are spent', async () => {
    const retry = { maxAttempts: 3, backoffMs: 100, jitter: 0 };
    const id = await world.submit({ tasks: [script('a', { retry })] });
    const crash = async () => world.report(id, await world.start(id, 'a'), error('engine_crashed', true));
    for (const waitMs of [100, 200]) {
      await crash();
      expect(world.task(id, 'a')).toMatchObject({ state: 'RETRY_WAIT', dueAt: world.clock.now() + waitMs });
      expect(world.told('timed').at(-1)).toMatchObject({ taskId: 'a' });
      await world.decide(id, (_unit, outcomes, run) => outcomes.tryAgain(run.task('a') as TaskRow));
    }
    await crash();
    expect(world.task(id, 'a')).toMatchObject({ state: 'FAILED', attempt: 3 });
  });

  it('end when too many agents went down with the task', async () => {
    const id = await world.submit({ tasks: [script('a', { retry: { maxAttempts: 50, backoffMs: 1 } })] });
    for (let losses = 1; losses <= poisonAfter; losses += 1) {
      await world.report(id, await world.start(id, 'a'), error('lease_lost', true));
      expect(world.task(id, 'a').losses).toBe(losses);
      if (losses === poisonAfter) break;
      expect(world.task(id, 'a').state).toBe('RETRY_WAIT');
      await world.decide(id, (_unit, outcomes, run) => outcomes.tryAgain(run.task('a') as TaskRow));
    }
    expect(JSON.parse(world.task(id, 'a').error ?? '')).toMatchObject({
      code: 'poison',
      retryable: false,
      message: `${poisonAfter} attempts were lost with their agents, the last one because: it said lease_lost`,
    });
  });

  it('of what was handed back keep their place and are not counted', async () => {
    const id = await world.submit({ tasks: [script('a', { queueTimeoutMs: 60_000 })] });
    const { readyAt, rank, dueAt } = world.task(id, 'a');
    const attempt = await world.claim(id, 'a');
    await world.clock.advance(leaseMs);
    await world.report(id, attempt, { case: 'returned' });
    expect(world.task(id, 'a')).toMatchObject({ state: 'READY', attempt: 0, attemptId: null, readyAt, rank, dueAt });
    expect([...(world.decided.at(-1)?.handedBack ?? [])]).toEqual([`${id} a -1`]);
    expect(world.told('freed')).toEqual([attempt]);
  });
});

describe('forEach', () => {
  const each = (fields: object = {}) => ({
    tasks: [script('each', { forEach: '${{ input }}', ...fields }), script('then', { depends: ['each'] })],
  });

  it('keeps to maxParallel, opens items in order, and is joined when the last has ended', async () => {
    const id = await world.submit(each({ maxParallel: 2 }));
    await expanded(id, 'each', [0, 1, 2, 3]);
    expect(world.states(id)).toBe(
      'each RUNNING, then BLOCKED, each[0] READY, each[1] READY, each[2] BLOCKED, each[3] BLOCKED',
    );
    await world.succeed(id, 'each', 1);
    expect(world.task(id, 'each', 2).state).toBe('READY');
    expect(world.task(id, 'each', 3).state).toBe('BLOCKED');
    for (const index of [0, 2]) await world.succeed(id, 'each', index);
    expect(world.told('aggregate')).toEqual([]);
    await world.succeed(id, 'each', 3);
    expect(world.told('aggregate')).toMatchObject([{ runId: id, taskId: 'each', itemIndex: -1 }]);
    expect(world.task(id, 'each')).toMatchObject({ state: 'RUNNING', itemsTotal: 4, itemsSucceeded: 4, attempt: 1 });
    await world.decide(id, (_unit, outcomes, run) => outcomes.succeed(run.task('each') as TaskRow, { json: '[]' }));
    expect(world.task(id, 'then').state).toBe('READY');
    expect(world.run(id).row).toMatchObject({ openTasks: 1, totalTasks: 6 });
  });

  it('of nothing has succeeded', async () => {
    const id = await world.submit(each());
    await expanded(id, 'each', []);
    expect(world.states(id)).toBe('each SUCCEEDED, then READY');
  });

  it('that may lose items is joined with what is left', async () => {
    const id = await world.submit(each({ itemFailure: 'continue' }));
    await expanded(id, 'each', [0, 1]);
    await world.report(id, await world.start(id, 'each', 0), failing);
    expect(world.task(id, 'each')).toMatchObject({ state: 'RUNNING', itemsFailed: 1 });
    await world.succeed(id, 'each', 1);
    expect(world.told('aggregate')).toHaveLength(1);
    expect(world.run(id).row.error).toBeNull();
  });

  it.each([
    ['fail', 'each FAILED, then SKIPPED'],
    ['ignore', 'each FAILED, then READY'],
  ])('that fails with %s drops its unstarted items without a word of each', async (onFailure, states) => {
    const id = await world.submit(each({ maxParallel: 3, onFailure }));
    await expanded(id, 'each', [0, 1, 2, 3]);
    const running = await world.start(id, 'each', 0);
    await world.report(id, await world.start(id, 'each', 1), failing);
    expect(world.states(id)).toBe(`${states}, each[0] RUNNING, each[1] FAILED, each[2] CANCELLED, each[3] CANCELLED`);
    const { history } = world.run(id);
    expect(history.filter(({ itemIndex, taskState }) => itemIndex !== undefined && taskState === 'CANCELLED')).toEqual(
      [],
    );
    // The task itself left the order for its items.
    expect(world.told('unready').map(({ itemIndex }) => itemIndex)).toEqual([-1, 2]);
    expect(await world.report(id, running)).toBe(1);
    expect(world.task(id, 'each')).toMatchObject({ state: 'FAILED', itemsSucceeded: 1, itemsFailed: 1 });
  });

  it('whose run fails meanwhile is cancelled with items it loses, and goes on when it loses none', async () => {
    const id = await world.submit({
      tasks: [
        script('bad'),
        script('losing', { forEach: '${{ input }}', maxParallel: 1 }),
        script('whole', { forEach: '${{ input }}' }),
      ],
    });
    await expanded(id, 'losing', [0, 1]);
    await expanded(id, 'whole', [0]);
    const [losing, whole] = [await world.start(id, 'losing', 0), await world.start(id, 'whole', 0)];
    await world.report(id, await world.start(id, 'bad'), failing);
    expect(world.states(id)).toBe(
      'bad FAILED, losing CANCELLED, whole RUNNING, losing[0] RUNNING, losing[1] CANCELLED, whole[0] RUNNING',
    );
    await world.report(id, losing);
    expect(world.told('aggregate')).toEqual([]);
    await world.report(id, whole, error('engine_crashed', true));
    expect(world.task(id, 'whole').state).toBe('FAILED');
    expect(world.told('finalise')).toEqual([id]);
  });
});
