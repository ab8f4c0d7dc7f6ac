import { beforeEach, describe, expect, it } from 'vitest';
import { ageingMs, error, EngineWorld, script } from '../../test/engine-world.js';
import { cancelRun } from './cancel-run.js';
import { expand } from './expand.js';
import { startNested } from './nested-runs.js';
import type { TaskRow } from './rows.js';
import { pauseRun, resumeRun, setPriority } from './steer-run.js';

let world: EngineWorld;
beforeEach(async () => {
  world = await EngineWorld.open();
});

const ada = { by: 'ada', reason: 'lunch' };
const pause = (runId: string) => world.do(pauseRun(world.engine, runId, ada));
const resume = (runId: string) => world.do(resumeRun(world.engine, runId, { by: 'ada' }));

const sleep = (runId: string, taskId: string, durationMs: number) =>
  world.decide(runId, (unit, _outcomes, run) => {
    unit.move(run.task(taskId) as TaskRow, 'wait', { startedAt: unit.now, dueAt: unit.now + durationMs });
  });

const nest = (runId: string, taskId: string, nestedId: string) =>
  world.decide(runId, (unit, outcomes, run) => {
    const { nested, timeoutMs } = run.plan(taskId);
    if (!nested) throw new Error('no nested run');
    startNested(unit, outcomes, {
      row: run.task(taskId) as TaskRow,
      plan: nested,
      timeoutMs,
      runId: nestedId,
      maxTasks: 100,
    });
  });

describe('a pause', () => {
  it('stops the timers of what nobody works on, keeps what was left of them, and gives it back', async () => {
    const retry = { maxAttempts: 2, backoffMs: 400, jitter: 0 };
    const id = await world.submit({
      tasks: [
        script('queued', { queueTimeoutMs: 1_000 }),
        script('plain'),
        script('retried', { retry }),
        script('running', { timeoutMs: 5_000 }),
        { id: 'rest', uses: 'sleep', input: { durationMs: 500 } },
      ],
    });
    await world.report(id, await world.start(id, 'retried'), error('engine_crashed', true));
    const attempt = await world.start(id, 'running');
    await sleep(id, 'rest', 500);
    const timeoutAt = world.task(id, 'running').timeoutAt;
    await world.clock.advance(100);
    await pause(id);
    expect(world.states(id)).toBe('queued READY, plain READY, retried RETRY_WAIT, running RUNNING, rest WAITING');
    const held = ['queued', 'plain', 'retried', 'rest'].map((each) => world.task(id, each));
    expect(held.map(({ dueAt, heldMs }) => [dueAt, heldMs])).toEqual([
      [null, 900],
      [null, null],
      [null, 300],
      [null, 400],
    ]);
    expect(world.task(id, 'running').timeoutAt).toBe(timeoutAt);
    expect(world.decided.at(-1)?.unready.map(({ taskId }) => taskId)).toEqual(['queued', 'plain']);
    await world.clock.advance(60_000);
    await resume(id);
    const now = world.clock.now();
    const again = ['queued', 'plain', 'retried', 'rest'].map((each) => world.task(id, each));
    expect(again.map(({ dueAt, heldMs }) => [dueAt, heldMs])).toEqual([
      [now + 900, null],
      [null, null],
      [now + 300, null],
      [now + 400, null],
    ]);
    const { ready, timed } = world.decided.at(-1) ?? { ready: [], timed: [] };
    expect(ready.map(({ taskId }) => taskId)).toEqual(['queued', 'plain']);
    expect(timed.map(({ taskId }) => taskId)).toEqual(['queued', 'retried', 'rest']);
    expect(await world.report(id, attempt)).toBe(1);
  });

  it('keeps what becomes ready or waits meanwhile where it is', async () => {
    const id = await world.submit({
      tasks: [script('a'), script('b', { depends: ['a'], queueTimeoutMs: 700 }), script('c')],
    });
    const [a, c] = [await world.start(id, 'a'), await world.start(id, 'c')];
    await pause(id);
    world.decided.length = 0;
    await world.report(id, a);
    await world.report(id, c, error('engine_crashed', true));
    expect(world.states(id)).toBe('a SUCCEEDED, b READY, c RETRY_WAIT');
    expect(world.task(id, 'b')).toMatchObject({ dueAt: null, heldMs: 700 });
    expect([...world.told('ready'), ...world.told('timed')]).toEqual([]);
    await resume(id);
    expect(world.told('ready').map(({ taskId }) => taskId)).toEqual(['b']);
    expect(world.task(id, 'b').dueAt).toBe(world.clock.now() + 700);
  });

  it('of a run that never began is a beginning only when it is resumed', async () => {
    const id = await world.submit({ tasks: [script('a')] });
    await pause(id);
    expect(world.run(id).row).toMatchObject({ state: 'PAUSED', startedAt: null });
    await resume(id);
    expect(world.run(id).row).toMatchObject({ state: 'RUNNING', startedAt: world.clock.now() });
  });

  it('says who wanted it and why, once', async () => {
    const id = await world.submit({ tasks: [script('a')] });
    await pause(id);
    await pause(id);
    const told = world.run(id).history.filter(({ runState }) => runState === 'PAUSED');
    expect(told.map(({ data }) => JSON.parse(data ?? '') as unknown)).toEqual([ada]);
  });

  it('is refused when the run is over, and changes nothing', async () => {
    const id = await world.submit({ tasks: [script('a')] });
    await world.decide(id, (unit, _outcomes, run) => cancelRun(unit, run, ''));
    const { sequence } = world.run(id).row;
    const refused = { code: 'failed_precondition' };
    await expect(pause(id)).rejects.toMatchObject(refused);
    await expect(resume(id)).rejects.toMatchObject(refused);
    await expect(
      world.do(setPriority(world.engine, id, { taskId: undefined, priority: 1, by: 'ada' })),
    ).rejects.toMatchObject(refused);
    expect(world.run(id).row.sequence).toBe(sequence);
    expect(world.engine.isOpen).toBe(true);
  });
});

describe('nested runs', () => {
  const inner = { tasks: [script('x')] };
  const document = {
    tasks: [
      { id: 'sub', uses: 'run', document: { tasks: [{ id: 'deeper', uses: 'run', document: inner }] } },
      script('other'),
    ],
  };

  async function tree() {
    const id = await world.submit(document);
    await nest(id, 'sub', 'run_middle');
    const start = world.engine.transact([id, 'run_middle'], (unit, outcomes) => {
      const middle = unit.resident({ runId: 'run_middle' });
      const { nested } = middle.plan('deeper');
      if (!nested) throw new Error('no nested run');
      const row = middle.task('deeper') as TaskRow;
      startNested(unit, outcomes, { row, plan: nested, timeoutMs: 60_000, runId: 'run_inner', maxTasks: 100 });
    });
    await world.do(start);
    return [id, 'run_middle', 'run_inner'] as const;
  }

  it('follow at every depth, also when they are not in memory', async () => {
    const ids = await tree();
    await world.own();
    expect(world.engine.residents.size).toBe(0);
    await pause(ids[0]);
    expect(ids.map((each) => world.run(each).row.state)).toEqual(['PAUSED', 'PAUSED', 'PAUSED']);
    await resume(ids[0]);
    expect(ids.map((each) => world.run(each).row.state)).toEqual(['RUNNING', 'RUNNING', 'RUNNING']);
    await world.do(setPriority(world.engine, ids[0], { taskId: undefined, priority: 9, by: 'ada' }));
    expect(ids.map((each) => world.run(each).row.priority)).toEqual([9, 9, 9]);
    expect(world.task('run_inner', 'x').priority).toBe(9);
  });

  it('that are paused alone leave the run around them alone', async () => {
    const [outer, middle, innermost] = await tree();
    await pause(middle);
    expect([outer, middle, innermost].map((each) => world.run(each).row.state)).toEqual([
      'RUNNING',
      'PAUSED',
      'PAUSED',
    ]);
  });

  it('that are over already hinder nobody', async () => {
    const [outer, middle, innermost] = await tree();
    await world.decide(innermost, (unit, _outcomes, run) => cancelRun(unit, run, ''));
    await pause(outer);
    expect([outer, middle, innermost].map((each) => world.run(each).row.state)).toEqual([
      'PAUSED',
      'PAUSED',
      'CANCELLED',
    ]);
  });

  it('that are born while their tree is looked up are not forgotten', async () => {
    let gate = Promise.resolve();
    let open: () => void = () => undefined;
    world = await EngineWorld.open({
      manners: { wait: (operation) => (operation === 'load' ? gate : Promise.resolve()) },
    });
    const id = await world.submit({
      tasks: ['sub', 'born'].map((each) => ({ id: each, uses: 'run', document: inner })),
    });
    await nest(id, 'sub', 'run_old');
    await world.own();
    await world.decide(id, () => undefined);
    gate = new Promise((resolve) => (open = resolve));
    const pausing = pauseRun(world.engine, id, ada);
    await world.clock.settle();
    await nest(id, 'born', 'run_born');
    open();
    await world.do(pausing);
    expect([id, 'run_old', 'run_born'].map((each) => world.run(each).row.state)).toEqual([
      'PAUSED',
      'PAUSED',
      'PAUSED',
    ]);
  });
});

describe('a priority', () => {
  const change = (taskId: string | undefined, priority: number) => ({ taskId, priority, by: 'ada' });

  it('of a run is that of every task that named none, and moves what is ready', async () => {
    const id = await world.submit({
      priority: 1,
      tasks: [script('low'), script('own', { priority: 0 }), script('later', { depends: ['low'] })],
    });
    const readyAt = world.task(id, 'low').readyAt ?? 0;
    await world.do(setPriority(world.engine, id, change(undefined, 9)));
    expect(['low', 'own', 'later'].map((each) => world.task(id, each).priority)).toEqual([9, 0, 9]);
    expect(world.task(id, 'low').rank).toBe(readyAt - 9 * ageingMs);
    expect(world.decided.at(-1)?.reprioritised).toMatchObject([{ taskId: 'low', rank: readyAt - 9 * ageingMs }]);
    expect(world.run(id).row.priority).toBe(9);
    await world.succeed(id, 'low');
    expect(world.task(id, 'later').rank).toBe(world.clock.now() - 9 * ageingMs);
  });

  it('of a task is its own from then on, and that of its items', async () => {
    const id = await world.submit({ tasks: [script('each', { forEach: '${{ input }}' }), script('other')] });
    await world.decide(id, (unit, outcomes, run) => {
      const parent = run.task('each') as TaskRow;
      expand(unit, outcomes, { parent, plan: run.plan('each'), list: [1, 2], maxExpandedTasks: 10 });
    });
    await world.succeed(id, 'each', 0);
    await world.do(setPriority(world.engine, id, change('each', 8)));
    await world.do(setPriority(world.engine, id, change(undefined, 2)));
    const prioritiesOf = [-1, 0, 1].map((index) => world.task(id, 'each', index)).map(({ priority }) => priority);
    expect(prioritiesOf).toEqual([8, 5, 8]);
    expect(world.task(id, 'other').priority).toBe(2);
    await expect(world.do(setPriority(world.engine, id, change('nobody', 1)))).rejects.toMatchObject({
      code: 'failed_precondition',
    });
  });

  it('of a paused run counts when it is resumed', async () => {
    const id = await world.submit({ tasks: [script('a')] });
    await pause(id);
    await world.do(setPriority(world.engine, id, change(undefined, 9)));
    expect(world.told('reprioritised')).toEqual([]);
    await resume(id);
    expect(world.told('ready').at(-1)).toMatchObject({ taskId: 'a', priority: 9 });
  });
});
